"""Whatever happens in whatever order: no result is lost, none is written twice, all end."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select

from service.db import Database
from service.db.tables import CurveRow, TrialRow
from service.errors import ConflictError, LeaseLostError
from service.queue import claim
from service.queue.results import claim_trials, lost, record
from service.studies import repository
from service.studies.model import StudyState
from service.trials.model import TRANSITIONS, TrialState
from tests.service import work

TRIALS = st.sets(st.integers(0, 3), min_size=1)
ATTEMPTS = 2


class Queue(RuleBasedStateMachine):
    """Studies of up to four shared trials, runners that come, go and come back too late."""

    template: Path

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(self.template, self.folder / "lpwd.db")
        self.database = self.open()
        self.leases = []
        """Every lease ever held, the lost ones too."""
        self.known = {}
        """Trial to the score that was written first, None for a divergence."""
        self.studies = []
        self.before = {}
        self.written = 0

    def open(self):
        return Database(f"sqlite:///{self.folder / 'lpwd.db'}")

    def teardown(self):
        try:
            self.finish_everything()
        finally:
            self.database.close()
            shutil.rmtree(self.folder)

    @rule(seeds=TRIALS)
    def submit(self, seeds):
        request = {
            "task": "digits-mlp",
            "optimizers": ["adamw"],
            "learning_rates": [0.1],
            "weight_decays": [0],
            "seeds": sorted(seeds),
        }
        self.studies.append(work.send(self.database, request))

    @rule()
    def claim(self):
        held = claim(self.database, seconds=1000, device="x")
        if held is not None:
            self.leases.append(held)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), some=TRIALS)
    def claim_trials(self, data, some):
        held = data.draw(st.sampled_from(self.leases))
        keys = list(work.states(self.database, held.study_id))
        wanted = [keys[n] for n in some if n < len(keys)]
        try:
            claim_trials(self.database, held, wanted, ["adamw"])
        except LeaseLostError:
            assert not self.holds(held)
        else:
            assert self.holds(held)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), some=TRIALS, diverges=st.booleans())
    def record(self, data, some, diverges):
        """With scores that differ every time, so that a second writing shows."""
        held = data.draw(st.sampled_from(self.leases))
        keys = list(work.states(self.database, held.study_id))
        mine = self.claimed_by(held)
        results, scores = [], {}
        for n in some:
            if n < len(keys):
                self.written += 1
                scores[keys[n]] = None if diverges else self.written / 1024
                results.append(work.result(keys[n], scores[keys[n]]))
        try:
            record(self.database, held, results=results)
        except LeaseLostError:
            assert not self.holds(held)
        else:
            self.known |= {key: score for key, score in scores.items() if key in mine}

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def lose_worker(self, data):
        held = data.draw(st.sampled_from(self.leases))
        keys = list(work.states(self.database, held.study_id))
        try:
            lost(self.database, held, keys, "killed", ATTEMPTS)
        except LeaseLostError:
            assert not self.holds(held)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), back=st.booleans())
    def end(self, data, back):
        held = data.draw(st.sampled_from(self.leases))
        try:
            with self.database.write() as session:
                if back:
                    held.give_back(session)
                else:
                    held.finish(session)
        except LeaseLostError:
            assert not self.holds(held)

    @precondition(lambda self: self.studies)
    @rule(data=st.data())
    def cancel(self, data):
        try:
            with self.database.write() as session:
                repository.cancel(session, data.draw(st.sampled_from(self.studies)))
        except ConflictError:
            pass

    @precondition(lambda self: self.studies)
    @rule(data=st.data())
    def delete(self, data):
        study_id = data.draw(st.sampled_from(self.studies))
        try:
            with self.database.write() as session:
                repository.remove(session, study_id)
        except ConflictError:
            return
        self.studies.remove(study_id)
        self.leases = [held for held in self.leases if held.study_id != study_id]

    @precondition(lambda self: self.studies)
    @rule(data=st.data())
    def fall_silent(self, data):
        study_id = data.draw(st.sampled_from(self.studies))
        with self.database.read() as session:
            running = repository.row(session, study_id).lease_token is not None
        if running:
            work.silence(self.database, study_id)

    @rule()
    def restart(self):
        self.database.close()
        self.database = self.open()

    @invariant()
    def results_stay_as_they_were_first_written(self):
        rows = {row.key: row for row in work.rows(self.database, TrialRow)}
        assert {key for key, row in rows.items() if row.state.known} == set(self.known)
        for key, score in self.known.items():
            assert rows[key].validation_score == score
        with self.database.read() as session:
            assert set(session.scalars(select(CurveRow.trial_key))) == set(self.known)

    @invariant()
    def trials_move_as_the_table_says(self):
        now = {row.key: row.state for row in work.rows(self.database, TrialRow)}
        for key, state in now.items():
            before = self.before.get(key, TrialState.PENDING)
            # One rule may take two steps, out of running and in again.
            steps = TRANSITIONS[before] | {
                further for step in TRANSITIONS[before] for further in TRANSITIONS[step]
            }
            assert state == before or state in steps
        self.before = now

    def finish_everything(self):
        """Whatever came before: a diligent runner brings every study to its end."""
        for study_id in self.studies:
            with self.database.read() as session:
                running = repository.row(session, study_id).lease_token is not None
            if running:
                work.silence(self.database, study_id)
        while (held := claim(self.database, seconds=1000, device="x")) is not None:
            for _ in range(3):
                keys = work.to_do(self.database, held.study_id)
                taken = claim_trials(self.database, held, keys, ["adamw"])
                record(self.database, held, results=[work.result(key, 0.5) for key in taken])
                self.known |= dict.fromkeys(taken, 0.5)
                with self.database.write() as session:
                    ended = held.finish(session)
                if ended is not None:
                    break
            assert ended in {StudyState.DONE, StudyState.FAILED}
        self.results_stay_as_they_were_first_written()

    def holds(self, held):
        with self.database.read() as session:
            return repository.row(session, held.study_id).lease_token == held.token

    def claimed_by(self, held):
        if not self.holds(held):
            return set()
        return {r.key for r in work.rows(self.database, TrialRow) if r.claimed_by == held.token}


Queue.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, derandomize=True
)


@pytest.fixture(scope="session", autouse=True)
def _template(sqlite_template):
    Queue.template = sqlite_template


TestQueue = Queue.TestCase
