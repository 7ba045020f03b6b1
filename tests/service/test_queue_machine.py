"""The store's contract, whatever happens in whatever order, on both databases.

No result is lost and none is written twice, states move as their tables say, counts are right, and
a diligent runner brings every study to its end.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, text, update

from service.db import Base, Database
from service.db.tables.studies import CurveRow, StudyRow, StudyTrialRow, TrialRow
from service.errors import ConflictError, LeaseLostError
from service.queue import claim
from service.queue.results import claim_trials, give_up, lost, put_back, record
from service.studies import actions, queries, repository
from service.studies import model as studies
from service.studies.action_schemas import StudyExtension
from service.studies.extension import extended
from service.studies.model import StudyState
from service.trials import model as trials
from service.trials.model import TrialState
from tests.service import work

TRIALS = st.sets(st.integers(0, 3), min_size=1)
ATTEMPTS = 2
LOSSES = 2


def walked(table, before, after):
    """Whether a table of transitions leads from one state to another; one rule may take steps."""
    reached, edge = {before}, {before}
    while edge:
        edge = set().union(*(table[state] for state in edge)) - reached
        reached |= edge
    return after in reached


class Queue(RuleBasedStateMachine):
    """Studies of up to four shared trials, runners that come, go and come back too late."""

    url: str

    def __init__(self):
        super().__init__()
        self.database = Database(self.url)
        self.empty()
        self.leases = []
        """Every lease ever held, the lost ones too."""
        self.known = {}
        """Trial to the score that was written first, None for a divergence."""
        self.studies = []
        self.before = {}
        self.studies_before = {}
        self.written = 0

    def empty(self):
        with self.database.write() as session:
            for table in reversed(Base.metadata.sorted_tables):
                session.execute(text(f"DELETE FROM {table.name}"))

    def teardown(self):
        try:
            self.finish_everything()
        finally:
            self.database.close()

    def some_study(self, data):
        return data.draw(st.sampled_from(self.studies))

    def some_lease(self, data):
        return data.draw(st.sampled_from(self.leases))

    def under(self, held, work):
        """Do what a runner does: it works while it holds the lease, and only then."""
        holding = self.holds(held)
        try:
            work()
        except LeaseLostError:
            assert not holding
            return False
        assert holding
        return True

    def in_session(self, work):
        with self.database.write() as session:
            return work(session)

    @rule(seeds=TRIALS, priority=st.integers(-1, 1))
    def submit(self, seeds, priority):
        request = {
            "task": "digits-mlp",
            "optimizers": ["adamw"],
            "learning_rates": [0.1],
            "weight_decays": [0],
            "seeds": sorted(seeds),
        }
        study_id = work.send(self.database, request)
        self.change(study_id, priority=priority)
        self.studies.append(study_id)

    def change(self, study_id, **values):
        self.in_session(
            lambda s: s.execute(update(StudyRow).where(StudyRow.id == study_id).values(**values))
        )

    @rule()
    def claim(self):
        held = claim(self.database, seconds=1000, device="x", losses=LOSSES)
        if held is not None:
            self.leases.append(held)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), some=TRIALS)
    def claim_trials(self, data, some):
        held = self.some_lease(data)
        keys = list(work.states(self.database, held.study_id))
        wanted = [keys[n] for n in some if n < len(keys)]
        self.under(held, lambda: claim_trials(self.database, held, wanted, ["adamw"]))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), some=TRIALS, diverges=st.booleans(), trained=st.floats(0, 10))
    def record(self, data, some, diverges, trained):
        """With scores that differ every time, so that a second writing shows."""
        held = self.some_lease(data)
        keys = list(work.states(self.database, held.study_id))
        mine = self.claimed_by(held)
        results, scores = [], {}
        for n in some:
            if n < len(keys):
                self.written += 1
                scores[keys[n]] = None if diverges else self.written / 1024
                results.append(work.result(keys[n], scores[keys[n]]))
        if self.under(held, lambda: record(self.database, held, results=results, trained=trained)):
            self.known |= {key: score for key, score in scores.items() if key in mine}

    @rule(
        some=TRIALS,
        outcome=st.sampled_from(["done", "diverged", "failed", "put back"]),
        ending=st.booleans(),
    )
    def work(self, some, outcome, ending):
        """As a diligent runner does, which one random step after the other seldom comes to."""
        self.claim()
        held = next((one for one in reversed(self.leases) if self.holds(one)), None)
        if held is None:
            return
        keys = work.to_do(self.database, held.study_id)
        taken = sorted(claim_trials(self.database, held, keys, ["adamw"]))
        some = [taken[n] for n in some if n < len(taken)]
        if outcome == "failed":
            give_up(self.database, held, dict.fromkeys(some, "no"))
        elif outcome == "put back":
            put_back(self.database, held, some)
        else:
            self.written += 1
            score = None if outcome == "diverged" else self.written / 1024
            record(self.database, held, results=[work.result(key, score) for key in some])
            self.known |= dict.fromkeys(some, score)
        if ending:
            self.in_session(held.finish)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), some=TRIALS, how=st.sampled_from(["lost", "failed", "put back"]))
    def leave_trials(self, data, some, how):
        held = self.some_lease(data)
        keys = list(work.states(self.database, held.study_id))
        keys = [keys[n] for n in some if n < len(keys)]
        ways = {
            "lost": lambda: lost(self.database, held, keys, "killed", ATTEMPTS),
            "failed": lambda: give_up(self.database, held, dict.fromkeys(keys, "no")),
            "put back": lambda: put_back(self.database, held, keys),
        }
        self.under(held, ways[how])

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), how=st.sampled_from(["finish", "give back", "lose"]))
    def end(self, data, how):
        held = self.some_lease(data)
        ways = {
            "finish": held.finish,
            "give back": held.give_back,
            "lose": lambda session: held.lose(session, "the cluster is gone", LOSSES),
        }
        self.under(held, lambda: self.in_session(ways[how]))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), limit=st.floats(1, 20))
    def reach_a_limit(self, data, limit):
        """As a runner does: it looks after every word, and ends the study."""
        held = self.some_lease(data)
        self.change(held.study_id, training_limit=limit)
        if self.under(held, lambda: record(self.database, held)) and held.usage.exceeded:
            used = held.usage.exceeded
            self.in_session(lambda session: held.finish(session) or held.fail(session, used))
            assert not self.holds(held)

    @precondition(lambda self: self.studies)
    @rule(data=st.data())
    def cancel(self, data):
        study_id = self.some_study(data)
        self.refused(lambda session: repository.cancel(session, study_id))

    @precondition(lambda self: self.studies)
    @rule(data=st.data(), raised=st.booleans())
    def retry(self, data, raised):
        study_id = self.some_study(data)
        if raised:
            self.change(study_id, training_limit=None)
        if self.refused(lambda session: actions.retry(session, study_id)):
            return
        assert self.row(study_id).losses == 0

    @precondition(lambda self: self.studies)
    @rule(data=st.data(), seeds=TRIALS)
    def extend(self, data, seeds):
        study_id = self.some_study(data)

        def work(session):
            before = repository.row(session, study_id).spec
            spec = repository.read_spec(repository.row(session, study_id))
            more = extended(spec, StudyExtension(seeds=sorted(seeds)), max_trials=100)
            assert actions.extend(session, study_id, before, more)

        self.refused(work)

    @precondition(lambda self: self.studies)
    @rule(data=st.data())
    def delete(self, data):
        study_id = self.some_study(data)
        if self.refused(lambda session: repository.remove(session, study_id)):
            return
        self.studies.remove(study_id)
        self.leases = [held for held in self.leases if held.study_id != study_id]

    def refused(self, work):
        try:
            self.in_session(work)
        except ConflictError:
            return True
        return False

    @precondition(lambda self: self.studies)
    @rule(data=st.data())
    def fall_silent(self, data):
        self.silence(self.some_study(data))

    def silence(self, study_id):
        if self.row(study_id).lease_token is not None:
            work.silence(self.database, study_id)

    @rule()
    def restart(self):
        self.database.close()
        self.database = Database(self.url)

    @invariant()
    def results_stay_as_they_were_first_written(self):
        rows = {row.key: row for row in work.rows(self.database, TrialRow)}
        assert {key for key, row in rows.items() if row.state.known} == set(self.known)
        for key, score in self.known.items():
            assert rows[key].validation_score == score
        with self.database.read() as session:
            assert set(session.scalars(select(CurveRow.trial_key))) == set(self.known)

    @invariant()
    def states_move_as_the_tables_say(self):
        now = {row.key: row.state for row in work.rows(self.database, TrialRow)}
        for key, state in now.items():
            before = self.before.get(key, TrialState.PENDING)
            assert walked(trials.TRANSITIONS, before, state)
        self.before = now
        now = {row.id: row.state for row in work.rows(self.database, StudyRow)}
        for study_id, state in now.items():
            before = self.studies_before.get(study_id, StudyState.QUEUED)
            assert walked(studies.TRANSITIONS, before, state)
        self.studies_before = now

    @invariant()
    def who_trains_holds_a_lease_and_who_has_ended_says_how(self):
        tokens = {row.lease_token for row in work.rows(self.database, StudyRow)} - {None}
        rows = work.rows(self.database, StudyRow)
        assert len(tokens) == sum(row.lease_token is not None for row in rows)
        for row in rows:
            assert (row.state is StudyState.RUNNING) == (row.lease_token is not None)
            assert (row.finished_at is not None) == row.state.final
            assert (row.error is not None) == (row.state is StudyState.FAILED)
            assert 0 <= row.losses < LOSSES
        for row in work.rows(self.database, TrialRow):
            assert row.attempts <= ATTEMPTS

    @invariant()
    def counts_are_right(self):
        rows = {row.key: row.state for row in work.rows(self.database, TrialRow)}
        for study_id in self.studies:
            with self.database.read() as session:
                told = queries.summary(session, study_id)
                keys = session.scalars(
                    select(StudyTrialRow.trial_key).where(StudyTrialRow.study_id == study_id)
                ).all()
            states = [rows[key] for key in keys]
            assert told.trials == len(states)
            assert told.finished == sum(state.known for state in states)
            assert told.failed == states.count(TrialState.FAILED)
            assert told.running == states.count(TrialState.RUNNING)
            if told.state is StudyState.DONE:
                assert told.finished == told.trials

    def finish_everything(self):
        """Whatever came before: diligent runners bring every study to its end."""
        for study_id in self.studies:
            self.silence(study_id)
        while (held := claim(self.database, seconds=1000, device="x", losses=99)) is not None:
            for _ in range(3):
                keys = work.to_do(self.database, held.study_id)
                taken = claim_trials(self.database, held, keys, ["adamw"])
                record(self.database, held, results=[work.result(key, 0.5) for key in taken])
                self.known |= dict.fromkeys(taken, 0.5)
                ended = self.in_session(held.finish)
                if ended is not None:
                    break
            assert ended in {StudyState.DONE, StudyState.FAILED}
        assert all(self.row(study_id).state.final for study_id in self.studies)
        self.results_stay_as_they_were_first_written()

    def row(self, study_id):
        with self.database.read() as session:
            return repository.row(session, study_id)

    def holds(self, held):
        return self.row(held.study_id).lease_token == held.token

    def claimed_by(self, held):
        if not self.holds(held):
            return set()
        return {r.key for r in work.rows(self.database, TrialRow) if r.claimed_by == held.token}


@pytest.mark.parametrize(("kind", "examples"), [("sqlite", 30), ("postgres", 12)])
def test_no_order_of_events_loses_or_repeats_a_result(request, kind, examples):
    class Here(Queue):
        url = request.getfixturevalue(f"{kind}_url")

    run_state_machine_as_test(
        Here,
        settings=settings(max_examples=examples, stateful_step_count=30),
    )
