"""Webhooks over REST, and their deliveries, on both databases with a real receiver."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from service import scheduler
from service.db import utcnow
from service.db.tables.keys import KeyRow
from service.db.tables.studies import StudyRow
from service.db.tables.webhooks import DeliveryRow, WebhookRow
from service.keys.model import Role
from service.studies import repository as studies
from service.webhooks import delivering, signing
from service.webhooks.model import DeliveryState, WebhookEvent
from service.webhooks.outbox import enqueue
from tests.live import wait_until
from tests.service import work
from tests.service.refusals import refused
from tests.service.webhooks.receiver import receiving
from tests.service.work import bearer

HOOKS = "/api/v1/webhooks"


@pytest.fixture
def here(settings):
    """Settings of an installation that may send to this machine."""
    return settings.model_copy(
        update={"webhooks_allow_http": True, "webhooks_allow_private": True, "webhook_attempts": 3}
    )


@pytest.fixture
def talking(installed):
    return installed(webhooks_allow_http=True, webhooks_allow_private=True)


@pytest.fixture
def receiver():
    with receiving() as one:
        yield one


@pytest.fixture
def tick(database, here):
    """Deliver what is due, as the scheduler does; returns how many were tried."""
    with ThreadPoolExecutor(delivering.AT_ONCE) as pool:
        yield lambda: delivering.tick(database, here, pool)


def due(database):
    """Have everything that waits be due."""
    with database.write() as session:
        for row in session.query(DeliveryRow).filter_by(state=DeliveryState.WAITING):
            row.next_at = utcnow() - timedelta(seconds=1)


def test_the_end_of_a_study_is_told_and_signed(talking, receiver, tick, study):
    made = talking.post(HOOKS, json={"url": receiver.url})
    assert made.status_code == 201
    hook = made.json()
    assert hook["secret"].startswith("whsec_")
    assert "secret" not in talking.get(made.headers["location"]).json()
    assert hook["secret"] not in talking.get(HOOKS).text
    sent = talking.post("/api/v1/studies", json=study()).headers["location"]
    assert tick() == 0
    talking.post(f"{sent}/cancel")
    assert tick() == 1
    assert tick() == 0
    ((_, headers, body),) = receiver.got
    assert signing.verify(hook["secret"], headers, body, time.time())
    told = json.loads(body)
    assert told["type"] == "study.ended"
    assert told["data"]["state"] == "cancelled"
    assert told["data"]["path"] == sent.removeprefix("/api/v1")
    (delivery,) = talking.get(f"{HOOKS}/{hook['id']}/deliveries").json()
    assert (delivery["state"], delivery["status"], delivery["attempts"]) == ("delivered", 204, 1)
    assert delivery["id"] == headers["webhook-id"]
    again = f"{HOOKS}/{hook['id']}/deliveries/{delivery['id']}/redeliver"
    assert talking.post(again).json()["state"] == "waiting"
    refused(talking.post(again))
    assert tick() == 1
    assert receiver.got[1][1]["webhook-id"] == delivery["id"]
    assert talking.delete(made.headers["location"]).status_code == 204
    refused(talking.get(made.headers["location"]))


def told(database):
    """What was told, in order: (event, state)."""
    return [
        (row.event, row.body["data"].get("state"))
        for row in sorted(work.rows(database, DeliveryRow), key=lambda row: row.created_at)
    ]


def test_a_study_is_told_of_however_it_ends(talking, database, study, sent):
    talking.post(HOOKS, json={"url": "https://example.org/"})
    first = sent()
    assert work.train(database, first) == "done"
    assert told(database) == [("study.ended", "done")]
    sent()  # of which every trial is known
    assert told(database)[1:] == [("study.ended", "done")]
    for end in (lambda lease, s: lease.fail(s, "x"), lambda lease, s: lease.end(s, "done")):
        sent(seeds=[7])
        lease = work.lease(database)
        with database.write() as session:
            end(lease, session)
    assert [state for _, state in told(database)[2:]] == ["failed", "done"]
    (third, *_) = [row.id for row in work.rows(database, StudyRow) if row.state == "failed"]
    other = sent(seeds=[7])
    assert work.train(database, other) == "done"
    assert talking.post(f"/api/v1/studies/{third}/retry").json()["state"] == "done"
    assert told(database)[-1] == ("study.ended", "done")
    assert len(told(database)) == 6


def test_what_is_rolled_back_is_not_told(talking, database, sent):
    talking.post(HOOKS, json={"url": "https://example.org/"})
    study_id = sent()

    def cancelled():
        with database.write() as session:
            studies.cancel(session, study_id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cancelled()
    assert told(database) == []


def test_what_fails_is_tried_again_later_and_given_up(talking, database, receiver, tick, caplog):
    hook = talking.post(HOOKS, json={"url": receiver.url}).json()
    address = f"{HOOKS}/{hook['id']}"
    assert talking.post(f"{address}/test").status_code == 202
    receiver.answer = 500
    for attempt in (1, 2):
        before = utcnow()
        assert tick() == 1
        (row,) = work.rows(database, DeliveryRow)
        assert (row.attempts, row.status, row.state) == (attempt, 500, DeliveryState.WAITING)
        pause = (row.next_at - before).total_seconds()
        assert 0.8 * 10 * 4 ** (attempt - 1) <= pause <= 1.2 * 10 * 4 ** (attempt - 1) + 5
        assert tick() == 0
        due(database)
    assert tick() == 1
    (delivery,) = talking.get(f"{address}/deliveries?state=given%20up").json()
    assert (delivery["attempts"], delivery["error"]) == (3, "the receiver answered 500")
    assert talking.get(address).json()["failures"] == 1
    assert hook["secret"] not in caplog.text
    receiver.answer = 200
    assert talking.post(f"{address}/deliveries/{delivery['id']}/redeliver").status_code == 202
    assert tick() == 1
    assert talking.get(address).json()["failures"] == 0


def test_a_webhook_that_always_fails_is_disabled(talking, database, receiver, here):
    here = here.model_copy(update={"webhook_attempts": 1, "webhook_failures": 2})
    hook = talking.post(HOOKS, json={"url": receiver.url}).json()
    address = f"{HOOKS}/{hook['id']}"
    receiver.answer = 500
    for _ in range(3):
        talking.post(f"{address}/test")
    with ThreadPoolExecutor(1) as pool:
        for _ in range(3):
            delivering.tick(database, here, pool)
    found = talking.get(address).json()
    assert (found["enabled"], found["failures"]) == (False, 2)
    assert "2 deliveries in a row" in found["reason"]
    assert len(receiver.got) == 2
    assert {row.state for row in work.rows(database, DeliveryRow)} == {DeliveryState.GIVEN_UP}
    refused(talking.post(f"{address}/test"))
    found = talking.patch(address, json={"enabled": True}).json()
    assert (found["enabled"], found["failures"], found["reason"]) == (True, 0, None)
    receiver.answer = 410
    talking.post(f"{address}/test")
    with ThreadPoolExecutor(1) as pool:
        delivering.tick(database, here, pool)
    assert "410" in talking.get(address).json()["reason"]


def test_disabled_webhooks_are_told_nothing(talking, database, receiver, tick, sent):
    hook = talking.post(HOOKS, json={"url": receiver.url}).json()
    address = f"{HOOKS}/{hook['id']}"
    talking.post(f"{address}/test")
    assert talking.patch(address, json={"enabled": False}).json()["enabled"] is False
    with database.write() as session:
        studies.cancel(session, sent())
    assert tick() == 0
    assert [row.state for row in work.rows(database, DeliveryRow)] == [DeliveryState.GIVEN_UP]


def test_several_deliverers_deliver_once(talking, database, receiver, here):
    hook = talking.post(HOOKS, json={"url": receiver.url}).json()
    for _ in range(6):
        talking.post(f"{HOOKS}/{hook['id']}/test")
    start = threading.Barrier(3)

    def deliver(_):
        start.wait()
        with ThreadPoolExecutor(1) as pool:
            return sum(delivering.tick(database, here, pool) for _ in range(8))

    with ThreadPoolExecutor(3) as several:
        assert sum(several.map(deliver, range(3))) == 6
    ids = [headers["webhook-id"] for _, headers, _ in receiver.got]
    assert len(set(ids)) == len(ids) == 6


def test_one_that_died_with_a_request_is_followed_by_another(talking, database, receiver, tick):
    hook = talking.post(HOOKS, json={"url": receiver.url}).json()
    talking.post(f"{HOOKS}/{hook['id']}/test")
    assert len(delivering.claim(database)) == 1  # and dies
    assert tick() == 0
    due(database)
    assert tick() == 1
    assert len(receiver.got) == 1


def test_the_scheduler_delivers_though_a_receiver_is_slow(talking, here, receiver, study):
    hook = talking.post(HOOKS, json={"url": receiver.url}).json()
    receiver.pause = 1.5
    talking.post(f"{HOOKS}/{hook['id']}/test")
    body = {"name": "n", "cron": "0 0 1 1 *", "study": study()}
    schedule = talking.post("/api/v1/schedules", json=body).json()["id"]
    stop = threading.Event()
    running = threading.Thread(target=scheduler.run, args=(here, stop))
    running.start()
    try:
        wait_until(lambda: receiver.got)
        assert talking.post(f"/api/v1/schedules/{schedule}/run").status_code == 201
        listed = f"{HOOKS}/{hook['id']}/deliveries"
        wait_until(lambda: talking.get(listed).json()[0]["state"] == "delivered")
    finally:
        stop.set()
        running.join()


def test_webhooks_are_their_owners_own(guarded, made, study, database):
    ann, bob = (bearer(made(name, Role.SUBMITTER).token) for name in ("ann", "bob"))
    root = bearer(made("root", Role.ADMIN).token)
    body = {"url": "https://example.org/", "own_only": True}
    address = guarded.post(HOOKS, json=body, headers=ann).headers["location"]
    assert len(guarded.get(HOOKS, headers=ann).json()) == 1
    assert guarded.get(HOOKS, headers=bob).json() == []
    assert len(guarded.get(HOOKS, headers=root).json()) == 1
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/test"),
        ("POST", "/rotate"),
        ("GET", "/deliveries"),
        ("POST", "/deliveries/1/redeliver"),
    ):
        body = {} if method == "PATCH" else None
        answer = guarded.request(method, f"{address}{path}", headers=bob, json=body)
        assert answer.status_code == 404, path
    for who in (bob, ann):
        sent = guarded.post("/api/v1/studies", json=study(), headers=who).headers["location"]
        guarded.post(f"{sent}/cancel", headers=who)
        assert len(work.rows(database, DeliveryRow)) == (who is ann)
    reader = bearer(made("reader").token)
    assert guarded.get(HOOKS, headers=reader).status_code == 403


def test_webhooks_of_keys_that_open_nothing_are_told_nothing(guarded, made, database):
    keys = {name: made(name, Role.SUBMITTER) for name in ("ann", "bob", "eve")}
    made_by = {}
    for name, key in keys.items():
        headers = bearer(key.token)
        answer = guarded.post(HOOKS, json={"url": "https://example.org/"}, headers=headers)
        made_by[name] = answer.json()["id"]
        assert guarded.post(f"{HOOKS}/{made_by[name]}/test", headers=headers).status_code == 202
    root = bearer(made("root", Role.ADMIN).token)
    revoked = guarded.post(f"/api/v1/keys/{keys['ann'].key.id}/revoke", headers=root)
    assert revoked.status_code == 200
    with database.write() as session:
        session.get(KeyRow, keys["bob"].key.id).expires_at = utcnow() - timedelta(seconds=1)
        assert enqueue(session, WebhookEvent.STUDY_ENDED, {}) == 1
    states = {row.webhook_id: row.state for row in work.rows(database, DeliveryRow)}
    assert states[made_by["ann"]] is DeliveryState.GIVEN_UP  # what was still to be told, too
    assert states[made_by["eve"]] is DeliveryState.WAITING
    hook = guarded.get(f"{HOOKS}/{made_by['ann']}", headers=root).json()
    assert (hook["enabled"], hook["reason"]) == (False, "the key that made it was revoked")
    again = guarded.patch(f"{HOOKS}/{hook['id']}", json={"enabled": True}, headers=root)
    assert again.status_code == 409
    assert "which is revoked" in again.json()["detail"]
    with database.write() as session:
        assert enqueue(session, WebhookEvent.STUDY_ENDED, {}) == 1


def test_a_secret_is_changed_at_once(talking, database, receiver, tick):
    hook = talking.post(HOOKS, json={"url": receiver.url}).json()
    fresh = talking.post(f"{HOOKS}/{hook['id']}/rotate").json()["secret"]
    talking.post(f"{HOOKS}/{hook['id']}/test")
    assert tick() == 1
    ((_, headers, body),) = receiver.got
    assert not signing.verify(hook["secret"], headers, body, time.time())
    assert signing.verify(fresh, headers, body, time.time())


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("url", {}),
        ("url", {"url": "http://example.org/"}),
        ("url", {"url": "https://127.0.0.1/"}),
        ("url", {"url": "https://[::ffff:169.254.169.254]/"}),
        ("url", {"url": "https://localhost:8000/api/v1/keys"}),
        ("url", {"url": "https://u:p@example.org/"}),
        ("url", {"url": "x" * 2001}),
        ("events", {"url": "https://example.org/", "events": []}),
        ("events.0", {"url": "https://example.org/", "events": ["study.begun"]}),
        ("events", {"url": "https://example.org/", "events": ["study.ended"] * 2}),
        ("secret", {"url": "https://example.org/", "secret": "mine"}),
    ],
)
def test_bad_webhooks_are_refused(client, database, field, body):
    refused(client.post(HOOKS, json=body), field)
    assert work.rows(database, WebhookRow) == []


def test_an_event_goes_to_those_who_want_it(talking, database):
    for events in (["study.ended"], [event.value for event in WebhookEvent]):
        talking.post(HOOKS, json={"url": "https://example.org/", "events": events})
    with database.write() as session:
        assert enqueue(session, WebhookEvent.STUDY_ENDED, {"x": 1}) == 2
    assert {row.event for row in work.rows(database, DeliveryRow)} == {"study.ended"}


def test_there_are_so_many_webhooks_at_most(talking):
    for _ in range(20):
        assert talking.post(HOOKS, json={"url": "https://example.org/"}).status_code == 201
    refused(talking.post(HOOKS, json={"url": "https://example.org/"}))
