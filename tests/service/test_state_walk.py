"""Every action from every state: it is refused, or leads where the tables say; and each of their
transitions is one that some action makes."""

import pytest
from sqlalchemy import text

from service.db import Base
from service.db.tables.searches import PointRow
from service.errors import ConflictError, LeaseLostError
from service.queue import claim
from service.queue.results import claim_trials, give_up, lost, put_back, record
from service.search import model as search
from service.search.repository import Underway, forget_running
from service.studies import actions, repository, trial_rows
from service.studies import model as studies
from service.studies.action_schemas import StudyExtension
from service.studies.extension import extended
from service.studies.model import StudyState
from service.trials import model as trials
from service.trials.model import TrialState
from tests.service import samples, work
from tests.service.search import points
from workers.search.contracts import PointState


class Case:
    """One study of two trials, and its runner's lease, lost or held."""

    def __init__(self, database, study, state, elsewhere):
        self.database = database
        request = study(optimizers=["adamw"], learning_rates=[0.1], weight_decays=[0], seeds=2)
        self.study_id = work.send(database, request)
        self.held = work.lease(database)
        assert self.held.study_id == self.study_id
        self.keys = work.to_do(database, self.study_id)
        if state is StudyState.QUEUED:
            self.in_session(self.held.give_back)
        elif state is StudyState.DONE:
            self.train()
            self.in_session(self.held.finish)
        elif state is StudyState.FAILED:
            self.in_session(lambda session: self.held.fail(session, "no"))
        elif state is StudyState.CANCELLED:
            self.cancel()
        if elsewhere:  # another study has its trials trained meanwhile
            self.train_elsewhere(request)
        assert self.state is state

    def in_session(self, what):
        with self.database.write() as session:
            return what(session)

    @property
    def state(self):
        with self.database.read() as session:
            return repository.row(session, self.study_id).state

    def train(self):
        claim_trials(self.database, self.held, self.keys, ["adamw"])
        results = [work.result(key) for key in self.keys]
        record(self.database, self.held, results=results)

    def train_elsewhere(self, request):
        other = work.send(self.database, request | {"name": "other"})
        held = work.lease(self.database)
        assert held.study_id == other
        claim_trials(self.database, held, self.keys, ["adamw"])
        record(self.database, held, results=[work.result(key) for key in self.keys])
        self.in_session(held.finish)

    def claim(self):
        claim(self.database, seconds=1000, device="x")

    def cancel(self):
        self.in_session(lambda session: repository.cancel(session, self.study_id))

    def remove(self):
        self.in_session(lambda session: repository.remove(session, self.study_id))
        raise ConflictError("gone")

    def retry(self):
        self.in_session(lambda session: actions.retry(session, self.study_id))

    def extend(self):
        def work(session):
            row = repository.row(session, self.study_id)
            spec = repository.read_spec(row)
            more = extended(spec, StudyExtension(seeds=[5]), max_trials=100)
            assert actions.extend(session, self.study_id, row.spec, more)

        self.in_session(work)

    def finish(self):
        self.in_session(self.held.finish)

    def train_and_finish(self):
        self.train()
        self.finish()

    def give_back(self):
        self.in_session(self.held.give_back)

    def fail(self):
        self.in_session(lambda session: self.held.fail(session, "no"))

    def lose(self):
        self.in_session(lambda session: self.held.lose(session, "gone", 3))

    def lose_for_good(self):
        self.in_session(lambda session: self.held.lose(session, "gone", 1))

    def silence_and_claim(self):
        if self.state is StudyState.RUNNING:
            work.silence(self.database, self.study_id)
        claim(self.database, seconds=1000, device="x", losses=1)


ACTIONS = (
    "claim",
    "cancel",
    "remove",
    "retry",
    "extend",
    "finish",
    "train_and_finish",
    "give_back",
    "fail",
    "lose",
    "lose_for_good",
    "silence_and_claim",
)
ENDED_BADLY = {StudyState.FAILED, StudyState.CANCELLED}


def test_every_action_from_every_state_of_a_study(database, study):
    seen = set()
    for state in StudyState:
        for elsewhere in (False, True)[: 1 + (state in ENDED_BADLY)]:
            for action in ACTIONS:
                case = Case(database, study, state, elsewhere)
                try:
                    getattr(case, action)()
                except (ConflictError, LeaseLostError):
                    pass
                else:
                    if case.state is not state:
                        seen.add((state, case.state))
                clear(database)
    table = {(before, after) for before in StudyState for after in studies.TRANSITIONS[before]}
    assert seen == table


def clear(database):
    with database.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(text(f"DELETE FROM {table.name}"))


def trial_actions(database, held, key, study_id):
    """By name, what may be done with a trial."""

    def store(score):
        record(database, held, results=[work.result(key, score)])

    def retry():
        with database.write() as session:
            trial_rows.retry_failed(session, [key])

    def cancel():
        with database.write() as session:
            repository.cancel(session, study_id)

    return {
        "claim": lambda: claim_trials(database, held, [key], ["adamw"]),
        "done": lambda: store(0.5),
        "diverged": lambda: store(None),
        "put back": lambda: put_back(database, held, [key]),
        "lost": lambda: lost(database, held, [key], "killed", 9),
        "lost for good": lambda: lost(database, held, [key], "killed", 1),
        "failed": lambda: give_up(database, held, {key: "no"}),
        "retried": retry,
        "cancelled": cancel,
        "progress": lambda: record(database, held, progress={key: 1}),
    }


WAYS = {
    TrialState.PENDING: (),
    TrialState.RUNNING: ("claim",),
    TrialState.DONE: ("claim", "done"),
    TrialState.DIVERGED: ("claim", "diverged"),
    TrialState.FAILED: ("claim", "failed"),
}


@pytest.mark.parametrize("before", list(TrialState))
def test_every_action_from_every_state_of_a_trial(database, study, before):
    seen = set()
    names = trial_actions(database, None, "", "").keys()
    for name in names:
        study_id = work.send(database, study())
        held = work.lease(database)
        key = work.to_do(database, study_id)[0]
        actions = trial_actions(database, held, key, study_id)
        for step in WAYS[before]:
            actions[step]()
        assert work.states(database, study_id)[key] is before
        actions[name]()
        after = work.states(database, study_id)[key]
        if after is not before:
            seen.add(after)
        clear(database)
    assert seen == trials.TRANSITIONS[before]


def point_actions(database, held, study_id):
    """By name, what may be done with a search's first point."""
    ends = {
        PointState.DONE: (points.recorded(0.5, 0.6, 0.7, 0.8), None),
        PointState.PRUNED: (points.recorded(0.3), None),
        PointState.DIVERGED: (points.recorded(0.5, diverged={1: {0: "no", 1: "no"}}), "no"),
        PointState.FAILED: (points.recorded(), "no"),
    }

    def end(state):
        found, reason = ends[state]
        points.try_point(database, held, "adamw", 0, state, record_=found, reason=reason)

    def progress():
        one = Underway("adamw", 0, 1, 0.4, 1.5, "cpu (test)")
        points.record(database, held, underway=[one])

    def in_session(what):
        with database.write() as session:
            what(session)

    return {
        **{state.value: lambda state=state: end(state) for state in ends},
        "begun again": lambda: points.begin(database, held, "adamw", 0),
        "progress": progress,
        "forgotten": lambda: in_session(lambda session: forget_running(session, held)),
        "cancelled": lambda: in_session(lambda session: repository.cancel(session, study_id)),
    }


@pytest.mark.parametrize("before", list(PointState))
def test_every_action_from_every_state_of_a_point(database, before):
    seen = set()
    for name in point_actions(database, None, ""):
        study_id = points.send(database, samples.SEARCH)
        held = work.lease(database)
        actions = point_actions(database, held, study_id)
        actions["begun again" if before is PointState.RUNNING else before.value]()
        assert [point.state for point in work.rows(database, PointRow)] == [before]
        actions[name]()
        after = {point.state for point in work.rows(database, PointRow)}
        assert after or before is PointState.RUNNING  # what has ended is never forgotten
        seen |= after - {before}
        clear(database)
    assert seen == search.TRANSITIONS[before]
