"""Studies that are sent twice, or by many at once, on both databases."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from service.db.tables.studies import StudyRow, StudyTrialRow, TrialRow
from tests.service import work

STUDIES = "/api/v1/studies"


def create(client, request, **options):
    answer = client.post(STUDIES, json=request, **options)
    assert answer.is_success, answer.text
    return answer


def test_an_idempotency_key_creates_once(client, database, study):
    key = {"Idempotency-Key": "night-1"}
    first = create(client, study(), headers=key)
    second = create(client, study(learning_rates=[0.01, 0.001]), headers=key)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["study"]["id"] == second.json()["study"]["id"]
    assert second.headers["location"] == first.headers["location"]
    other = client.post(STUDIES, json=study(seeds=5), headers=key)
    assert other.status_code == 422
    assert other.json()["type"] == "urn:lpwd:problem:idempotency-key-reused"
    assert len(work.rows(database, StudyRow)) == 1
    assert create(client, study(), headers={"Idempotency-Key": "night-2"}).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ä"])
def test_an_odd_idempotency_key_is_refused(client, database, study, key):
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = client.post(STUDIES, json=study(), headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "idempotency-key"
    assert work.rows(database, StudyRow) == []


def test_many_clients_with_one_idempotency_key_make_one_study(client, database, study):
    def sending(_):
        return client.post(STUDIES, json=study(), headers={"Idempotency-Key": "same"})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(sending, range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["study"]["id"] for answer in answers}) == 1
    assert len(work.rows(database, StudyRow)) == 1


def test_clients_that_send_overlapping_studies_at_once_share_every_trial(client, database, study):
    orders = [["adamw", "adam-lpwd", "adam-l2"], ["adam-l2", "adam-lpwd", "adamw"]]

    def sending(n):
        return client.post(STUDIES, json=study(optimizers=orders[n % 2], seeds=8))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(sending, range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len(work.rows(database, StudyRow)) == 6
    assert len(work.rows(database, TrialRow)) == 96
    assert len(work.rows(database, StudyTrialRow)) == 6 * 96


def test_deleting_while_others_send_the_same_trials_breaks_neither(client, database, study):
    def turn(_):
        study_id = create(client, study()).json()["study"]["id"]
        assert client.post(f"{STUDIES}/{study_id}/cancel").status_code == 200
        return client.delete(f"{STUDIES}/{study_id}").status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(turn, range(18))) == {204}
    assert work.rows(database, StudyRow) == []
    assert work.rows(database, TrialRow) == []
