"""What is older than it is kept goes; everything else stays."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from service.db import utcnow
from service.db.tables.processes import HeartbeatRow, RunnerRow
from service.db.tables.studies import CurveRow, EventRow, IdempotencyRow, StudyRow, TrialRow
from service.db.tables.webhooks import DeliveryRow, WebhookRow
from service.events.repository import revision, since
from service.retention import plan, prune
from service.studies import creating, repository
from tests.service import work

LONG_AGO = utcnow() - timedelta(days=40)


def age(database, table, **columns):
    with database.write() as session:
        session.execute(update(table).values(columns or {"created_at": LONG_AGO}))


def test_a_new_installation_has_nothing_to_remove(database, settings, sent):
    work.train(database, sent())
    assert set(plan(database, settings).values()) == {0}
    assert set(prune(database, settings).values()) == {0}


def test_events_of_ended_studies_go_but_for_the_last(database, settings, sent):
    ended, waiting = sent(), sent(seeds=[7])
    work.train(database, ended)
    with database.read() as session:
        newest = {one: revision(session, one) for one in (ended, waiting)}
        parts = {part for row in session.scalars(select(EventRow)) for part in row.parts}
    age(database, StudyRow, created_at=LONG_AGO)
    assert prune(database, settings)["events of studies that have ended"] == 0
    with database.write() as session:
        session.execute(update(StudyRow).where(StudyRow.id == ended).values(finished_at=LONG_AGO))
    planned = plan(database, settings)
    assert planned["events of studies that have ended"] >= 2
    assert prune(database, settings) == planned
    (last,) = (row for row in work.rows(database, EventRow) if row.study_id == ended)
    assert last.id == newest[ended]
    assert set(last.parts) == parts, "who comes back after long is told of all that changed"
    with database.read() as session:
        assert {one: revision(session, one) for one in newest} == newest
    assert set(plan(database, settings).values()) == {0}


def test_keys_deliveries_and_silent_processes_go(database, settings, study):
    with database.write() as session:
        creating.create_once(session, work.spec_of(study()), "a key")
        session.execute(
            insert(WebhookRow).values(
                id="w",
                url="u",
                events=[],
                secret="s",
                enabled=True,
                failures=0,
                created_at=LONG_AGO,
            )
        )
        for number, state in enumerate(("waiting", "delivered", "given up")):
            ended = None if state == "waiting" else LONG_AGO
            session.execute(
                insert(DeliveryRow).values(
                    id=str(number),
                    webhook_id="w",
                    event="study.ended",
                    body={},
                    state=state,
                    attempts=1,
                    next_at=None if ended else utcnow(),
                    created_at=LONG_AGO,
                    finished_at=ended,
                )
            )
        for name, seen in (("old", LONG_AGO), ("new", utcnow())):
            common = {"id": name, "host": "h", "pid": 1, "started_at": LONG_AGO, "seen_at": seen}
            session.execute(insert(RunnerRow).values(**common, devices=[], state="idle"))
            session.execute(insert(HeartbeatRow).values(**common, kind="scheduler"))
    age(database, IdempotencyRow)
    removed = prune(database, settings)
    assert removed["idempotency keys"] == 1
    assert removed["deliveries to webhooks"] == 2
    assert [row.state for row in work.rows(database, DeliveryRow)] == ["waiting"]
    for table in (RunnerRow, HeartbeatRow):
        assert [row.id for row in work.rows(database, table)] == ["new"]


def test_results_and_curves_stay_unless_told_otherwise(database, settings, sent):
    kept, gone = sent(), sent(seeds=[7])
    work.train(database, kept)
    work.train(database, gone)
    with database.write() as session:
        repository.remove(session, gone)
    age(database, TrialRow, finished_at=LONG_AGO)
    assert set(prune(database, settings).values()) == {0}
    short = settings.model_copy(update={"keep_unused_trials_days": 30, "keep_curves_days": 30})
    removed = prune(database, short)
    assert (removed["trials of no study"], removed["curves"]) == (8, 16)
    assert len(work.rows(database, TrialRow)) == 16
    assert work.rows(database, CurveRow) == []


def test_who_has_seen_curves_is_told_that_they_are_gone(client, database, settings, sent):
    study_id, other = sent(), sent(seeds=[7])
    work.train(database, study_id)
    address = f"/api/v1/studies/{study_id}"
    shown = client.get(f"{address}/curves")
    assert len(shown.json()) == 2
    with database.read() as session:
        before = {one: revision(session, one) for one in (study_id, other)}
    age(database, TrialRow, finished_at=LONG_AGO)
    prune(database, settings.model_copy(update={"keep_curves_days": 30}))
    again = client.get(f"{address}/curves", headers={"If-None-Match": shown.headers["etag"]})
    assert (again.status_code, again.json()) == (200, [])
    assert client.get(f"{address}/robustness").json()[0]["best"] is not None
    with database.read() as session:
        (told,) = since(session, study_id, before[study_id])
        assert "curves" in told.parts
        assert revision(session, other) == before[other]


@pytest.mark.parametrize("rows", [1, 3])
def test_more_than_a_transaction_removes_goes_as_well(database, settings, sent, monkeypatch, rows):
    monkeypatch.setattr("service.retention.AT_ONCE", rows)
    ended = sent()
    work.train(database, ended)
    with database.write() as session:
        session.execute(update(StudyRow).values(finished_at=LONG_AGO))
    planned = plan(database, settings)
    assert prune(database, settings) == planned
    assert len(work.rows(database, EventRow)) == 1
