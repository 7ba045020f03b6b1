"""What may follow what, in the table and in the database."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from service.studies import model as studies
from service.studies.model import StudyState
from service.trials import model as trials
from service.trials.model import TrialState


@pytest.mark.parametrize("model", [(studies, StudyState), (trials, TrialState)])
def test_the_table_names_every_state_and_each_is_reached_from_the_first(model):
    module, states = model
    assert set(module.TRANSITIONS) == set(states)
    reached, edge = set(), {next(iter(states))}
    while edge:
        reached |= edge
        edge = set().union(*(module.TRANSITIONS[state] for state in edge)) - reached
    assert reached == set(states)


@pytest.mark.parametrize("model", [(studies, StudyState), (trials, TrialState)])
def test_no_state_follows_itself(model):
    module, _ = model
    assert not any(state in after for state, after in module.TRANSITIONS.items())


def test_a_study_ends_and_a_known_trial_stays():
    assert {state for state in StudyState if state.final} == {"done", "failed", "cancelled"}
    assert {state for state in TrialState if state.known} == {"done", "diverged"}
    assert all(not trials.TRANSITIONS[state] for state in trials.KNOWN)


WRONG = [
    "UPDATE studies SET state = 'finished'",
    "UPDATE studies SET state = 'DONE'",
    "UPDATE studies SET lease_token = 'x'",
    "UPDATE studies SET lease_token = 'x', lease_expires_at = '2026-01-01 00:00:00'",
    "UPDATE studies SET state = 'running', lease_expires_at = '2026-01-01 00:00:00'",
    "UPDATE studies SET state = 'running'",
    "UPDATE studies SET state = 'done'",
    "UPDATE studies SET state = 'cancelled'",
    "UPDATE studies SET state = 'failed', error = 'no'",
    "UPDATE studies SET state = 'failed', finished_at = '2026-01-01 00:00:00'",
    "UPDATE studies SET finished_at = '2026-01-01 00:00:00'",
    "UPDATE studies SET error = 'no'",
    "UPDATE studies SET name = NULL",
    "UPDATE trials SET state = 'cancelled'",
    "UPDATE trials SET state = 'running'",
    "UPDATE trials SET claimed_by = 'x'",
    "UPDATE trials SET state = 'done'",
    "UPDATE trials SET state = 'done', test_score = 0.9",
    "UPDATE trials SET state = 'diverged'",
    "UPDATE trials SET state = 'failed'",
    "UPDATE trials SET learning_rate = 0",
    "UPDATE trials SET weight_decay = -0.1",
    "UPDATE trials SET seed = -1",
    "UPDATE trials SET attempts = -1",
    "UPDATE trials SET epochs_done = -1",
    "UPDATE trials SET epochs_done = epochs + 1",
    "DELETE FROM trials",
    "UPDATE trials SET key = 'another'",
    "UPDATE study_trials SET study_id = 'nobody'",
    "UPDATE study_trials SET position = 0",
    "INSERT INTO curves VALUES ('nobody', 1, '')",
    "INSERT INTO curves SELECT key, 0, '' FROM trials",
    "INSERT INTO study_trials SELECT * FROM study_trials",
    "INSERT INTO events (study_id, parts, created_at) VALUES ('x', '[]', '2026-01-01 00:00:00')",
]


@pytest.mark.parametrize("statement", WRONG)
def test_the_database_refuses_what_cannot_be(database, sent, statement):
    sent()
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(text(statement))


def test_the_database_takes_what_can_be(database, sent):
    sent()
    with database.write() as session:
        for right in (
            "UPDATE studies SET state = 'running', lease_token = 'x', "
            "lease_expires_at = '2026-01-01 00:00:00'",
            "UPDATE trials SET state = 'running', claimed_by = 'x'",
            "UPDATE trials SET state = 'done', claimed_by = NULL, test_score = 1, "
            "validation_score = 1",
            "UPDATE studies SET state = 'failed', lease_token = NULL, lease_expires_at = NULL, "
            "finished_at = '2026-01-01 00:00:00', error = 'no'",
            "UPDATE studies SET state = 'queued', finished_at = NULL, error = NULL",
            "UPDATE trials SET epochs_done = epochs",
            "INSERT INTO curves SELECT key, 1, '' FROM trials",
        ):
            session.execute(text(right))
