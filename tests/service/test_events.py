"""Server-Sent Events: everything first, then what changed, then the end; nothing missed."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.db.tables.studies import EventRow
from service.events.repository import announce, revision, since
from service.heatmaps.queries import ResultsCache
from service.queue.results import give_up, lost, record
from service.studies import repository
from tests.service import work

EVERYTHING = ["header", "robustness", "curves", "panel:adamw", "panel:adam-lpwd"]


def stream(client, study_id, last=None):
    """Read a stream to its end: a list of (event, id, data)."""
    headers = {} if last is None else {"Last-Event-ID": last}
    answer = client.get(f"/api/v1/studies/{study_id}/events", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in answer.text.strip().split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith(":")]
        fields = dict(line.split(": ", 1) for line in lines if line)
        if fields:
            events.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return events


def newest(database, study_id):
    with database.read() as session:
        return revision(session, study_id)


def test_a_stream_begins_with_everything_and_stops_at_the_end(client, database, sent):
    study_id = sent()
    work.train(database, study_id)
    last = str(newest(database, study_id))
    assert stream(client, study_id) == [
        ("changed", last, {"parts": EVERYTHING}),
        ("ended", last, {}),
    ]


def test_a_stream_goes_on_after_the_last_event_seen(client, database, sent):
    study_id = sent()
    held = work.lease(database)
    seen = str(newest(database, study_id))
    keys = work.to_do(database, study_id)
    work.take(database, held, keys)
    record(database, held, results=[work.result(key) for key in keys])
    with database.write() as session:
        held.finish(session)
    last = str(newest(database, study_id))
    parts = ["curves", "header", "panel:adamw", "robustness"]
    assert stream(client, study_id, seen) == [
        ("changed", last, {"parts": parts}),
        ("ended", last, {}),
    ]
    assert stream(client, study_id, last) == [("ended", last, {})]


@pytest.mark.parametrize("odd", ["x", "-1", "1.5", "", "9" * 18, "9" * 5000, "0x1", "²", "None"])
def test_a_number_that_is_none_of_the_studys_begins_anew(client, database, sent, odd):
    study_id = sent()
    with database.write() as session:
        repository.cancel(session, study_id)
    events = stream(client, study_id, odd.encode("latin-1"))
    assert [kind for kind, _, _ in events] == ["changed", "ended"]
    assert events[0][2] == {"parts": EVERYTHING}


def test_a_long_absence_is_caught_up_on_whole(client, database, sent):
    study_id = sent()
    for n in range(3):
        with database.write() as session:
            for k in range(500):
                announce(session, study_id, [f"part-{n}-{k}"])
    with database.write() as session:
        repository.cancel(session, study_id)
    events = stream(client, study_id, "0")
    parts = set().union(*(data["parts"] for kind, _, data in events if kind == "changed"))
    assert parts == {f"part-{n}-{k}" for n in range(3) for k in range(500)} | {"header"}


def test_an_unknown_study_has_no_stream(client):
    answer = client.get("/api/v1/studies/0123456789ab/events")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_step_is_told_to_every_study_that_shares_the_trials(database, sent):
    """Whatever changes a study's cells changes its revision, whoever did it."""
    mine, other = sent(), sent(name="other", optimizers=[{"name": "adamw", "label": "w"}])
    elsewhere = sent(seeds=[7])
    held = work.lease(database)
    keys = work.to_do(database, other)
    steps = [
        lambda: work.take(database, held, keys),
        lambda: record(database, held, results=[work.result(keys[0])]),
        lambda: record(database, held, results=[work.result(keys[1], None)]),
        lambda: lost(database, held, keys[2:4], "gone", 3),
        lambda: give_up(database, held, {keys[4]: "no"}),
        lambda: cancel(database, mine),
        lambda: sent(),  # tries what has failed again
    ]
    for step in steps:
        before = {one: newest(database, one) for one in (mine, other, elsewhere)}
        old = work.states(database, other)
        step()
        assert work.states(database, other) != old
        assert newest(database, mine) > before[mine]
        assert newest(database, other) > before[other]
        assert newest(database, elsewhere) == before[elsewhere]
        told = [row for row in work.rows(database, EventRow) if row.study_id == other][-1]
        assert "panel:w" in told.parts


def cancel(database, study_id):
    with database.write() as session:
        repository.cancel(session, study_id)


def test_the_panel_of_a_failed_or_lost_trial_is_told(database, sent):
    study_id = sent(optimizers=["adam-lpwd"])
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    work.take(database, held, keys)
    for step in (
        lambda: lost(database, held, keys[:1], "gone", 3),
        lambda: give_up(database, held, {keys[1]: "no"}),
        lambda: cancel(database, study_id),
    ):
        before = newest(database, study_id)
        step()
        new = [row.parts for row in work.rows(database, EventRow) if row.id > before]
        assert "panel:adam-lpwd" in set().union(*new)


def test_cached_results_follow_results_of_shared_trials(database, sent):
    first, second = sent(), sent(name="other")
    cancel(database, second)
    cache = ResultsCache()

    def done():
        with database.read() as session:
            return cache.results(session, second).robustness[0].cells_done

    assert done() == 0
    work.train(database, first)
    assert done() == 4


def test_numbers_become_visible_in_order(database, sent):
    """A reader that has seen a number will never find a lower one appear."""
    study_id = sent()
    stop = []

    def write(n):
        for _ in range(15):
            with database.write() as session:
                announce(session, study_id, [str(n)])
        stop.append(n)

    def read():
        seen, last = [], 0
        while len(stop) < 3 or newest(database, study_id) > last:
            with database.read() as session:
                for event in since(session, study_id, last):
                    seen.append(event.id)
                    last = event.id
        return seen

    with ThreadPoolExecutor(4) as pool:
        reading = pool.submit(read)
        list(pool.map(write, range(3)))
        seen = reading.result()
    assert seen == [row.id for row in work.rows(database, EventRow)]
    assert len(seen) == 45
