"""What the client does when the network, a proxy or the service misbehaves."""

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from service.client import (
    Client,
    ClientError,
    Forbidden,
    InvalidRequest,
    NotFound,
    NotUnderstood,
    RateLimited,
    Retries,
    ServiceAway,
    Unauthorized,
    Unavailable,
)
from service.client.retries import retry_after

QUICK = Retries(most=3, first=0.001)
STUDY = {"task": "digits-mlp"}


@contextmanager
def answering(*answers):
    """Serve prepared answers, one a request, the last again and again: (status, headers, body).

    None breaks the connection off. Yields the address and the requests as they come.
    """
    waiting, requests = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            length = int(self.headers.get("Content-Length", 0))
            requests.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
            prepared = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if prepared is None:
                self.close_connection = True
                return
            status, headers, body = prepared
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = do_PATCH = answer  # noqa: N815

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def talking(*answers, **options):
    """A client of prepared answers, and the requests as they come."""
    with answering(*answers) as (address, requests), Client(address, **options) as client:
        yield client, requests


def problem(status, kind="x", **more):
    body = {
        "type": f"urn:lpwd:problem:{kind}",
        "title": "No",
        "detail": "because of 7; try 6",
        "status": status,
        "instance": "/",
        "errors": [],
    } | more
    return status, {"Content-Type": "application/problem+json"}, json.dumps(body).encode()


LIST = (200, {}, b"[]")


@pytest.mark.parametrize(
    ("status", "kind", "expected"),
    [
        (401, "unauthorized", Unauthorized),
        (403, "forbidden", Forbidden),
        (404, "not-found", NotFound),
        (422, "invalid-request", InvalidRequest),
        (422, "idempotency-key-reused", InvalidRequest),
        (429, "rate-limited", RateLimited),
        (503, "database-unavailable", Unavailable),
    ],
)
def test_a_refusal_is_an_error_of_its_kind_in_the_services_words(status, kind, expected):
    errors = [{"field": "seeds", "detail": "too many"}]
    with (
        talking(problem(status, kind, errors=errors), retries=0) as (client, _),
        pytest.raises(expected) as caught,
    ):
        client.tasks()
    assert str(caught.value) == "No: because of 7; try 6"
    assert caught.value.kind == kind
    assert caught.value.errors[0].field == "seeds"


def test_several_fields_are_told_one_a_line():
    errors = [{"field": f, "detail": f"{f} is wrong"} for f in ("task", "seeds")]
    with (
        talking(problem(422, errors=errors)) as (client, _),
        pytest.raises(InvalidRequest, match="No:\n  task: task is wrong\n  seeds: seeds is"),
    ):
        client.plan(STUDY)


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"[]", b'{"detail": 5}', b"{"])
def test_an_answer_of_something_else_than_the_service_is_told(body):
    with (
        talking((500, {}, body)) as (client, _),
        pytest.raises(ClientError, match="the service answered 500"),
    ):
        client.tasks()


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>Log in</html>", b'[{"name": 1}]'])
def test_a_success_that_makes_no_sense_is_told(body):
    with (
        talking((200, {}, body)) as (client, _),
        pytest.raises(NotUnderstood, match="GET /api/v1/tasks was answered"),
    ):
        client.tasks()


def test_reading_is_tried_again_and_creating_only_where_that_is_known_to_be_safe():
    for broken in (None, problem(502), problem(503), problem(429)):
        with answering(broken, broken, LIST) as (address, requests):
            with Client(address, retries=QUICK) as client:
                assert client.tasks() == []
            assert len(requests) == 3
    body = {"name": "n", "cron": "* * * * *", "study": STUDY}
    for broken, times in ((None, 1), (problem(502), 1), (problem(500), 1), (problem(503), 4)):
        with answering(broken) as (address, requests):
            with Client(address, retries=QUICK) as client, pytest.raises(ClientError):
                client.create_schedule(**body)
            assert len(requests) == times


def test_refusals_that_will_not_change_are_not_tried_again():
    for status in (400, 401, 403, 404, 409, 413, 422, 500):
        with answering(problem(status)) as (address, requests):
            with Client(address, retries=QUICK) as client, pytest.raises(ClientError):
                client.tasks()
            assert len(requests) == 1


def test_every_try_of_a_submission_carries_the_same_key():
    with answering(None, problem(503), problem(422)) as (address, requests):
        with Client(address, retries=QUICK) as client, pytest.raises(InvalidRequest):
            client.submit(STUDY)
        with Client(address, retries=QUICK) as client, pytest.raises(InvalidRequest):
            client.submit(STUDY)
    *same, other = [headers["Idempotency-Key"] for _, _, headers, _ in requests]
    assert len(same) == 3
    assert len(set(same)) == 1
    assert other not in same


def test_a_deletion_whose_answer_was_lost_is_done():
    with talking(None, problem(404, "not-found"), retries=QUICK) as (client, _):
        client.delete_study("a")
    with talking(problem(404, "not-found"), retries=QUICK) as (client, _), pytest.raises(NotFound):
        client.delete_study("a")


def test_the_service_says_how_long_to_wait():
    refusal = problem(429)
    asked = (refusal[0], {**refusal[1], "Retry-After": "0"}, refusal[2])
    with answering(asked, LIST) as (address, requests):
        with Client(address, retries=Retries(first=100, longest=100)) as client:
            assert client.tasks() == []
        assert len(requests) == 2
    too_long = (refusal[0], {**refusal[1], "Retry-After": "3600"}, refusal[2])
    with answering(too_long) as (address, requests):
        with Client(address) as client, pytest.raises(RateLimited) as caught:
            client.tasks()
        assert caught.value.retry_after == 3600
        assert len(requests) == 1


def test_pauses_grow_to_a_bound_and_end():
    plan = Retries(most=6, first=1, longest=8)
    assert [plan.pause(n, dice=lambda: 1.0) for n in range(1, 8)] == [1, 2, 4, 8, 8, 8, None]
    assert plan.pause(1, dice=lambda: 0.0) == 0.5
    assert plan.pause(1, asked=59) == 59
    assert plan.pause(1, asked=61) is None
    assert Retries(most=0).pause(1, asked=0) is None


def test_a_time_to_come_back_is_read_as_seconds_or_a_date():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after("12", now) == 12
    assert retry_after("Thu, 01 Jan 2026 00:00:30 GMT", now) == 30
    assert retry_after("Thu, 01 Jan 2026 00:00:30 -0000", now) == 30
    assert retry_after("Thu, 01 Jan 2025 00:00:30 GMT", now) == 0
    assert retry_after("soon", now) is None
    assert retry_after("-5", now) is None
    assert retry_after(None, now) is None


def test_nobody_there_is_told_with_the_way_out():
    with Client("http://127.0.0.1:9", retries=QUICK) as client:
        with pytest.raises(ServiceAway, match="lpwd serve"):
            client.tasks()
        assert not client.ready()


@pytest.mark.parametrize("server", ["127.0.0.1:8000", "ftp://x", "x", "file:///etc"])
def test_what_is_no_address_is_refused(server):
    with pytest.raises(ValueError, match=r"http://127\.0\.0\.1:8000"):
        Client(server)


@pytest.mark.parametrize("key", ["a b", "a\nX-Evil: 1", "ключ", "a\r"])
def test_what_cannot_be_a_key_is_refused_and_not_repeated(key):
    with pytest.raises(ValueError, match="API key") as caught:
        Client(api_key=key)
    assert key not in str(caught.value)


def test_a_key_is_sent_and_never_shown(monkeypatch):
    with answering(LIST) as (address, requests):
        monkeypatch.setenv("LPWD_SERVER", address + "/")
        monkeypatch.setenv("LPWD_API_KEY", "lpwd_secret")
        for client in (Client(), Client(api_key="lpwd_other"), Client(api_key="")):
            with client:
                client.tasks()
                assert "lpwd" not in repr(client).replace(address, "")
    sent = [headers.get("Authorization") for _, _, headers, _ in requests]
    assert sent == ["Bearer lpwd_secret", "Bearer lpwd_other", None]


@pytest.mark.parametrize("name", ["../../healthz", "..", ".", "a/b", "a?b=c", "a#b", "ä%"])
def test_a_name_stays_one_segment_of_the_path(name):
    with talking(problem(404, "not-found")) as (client, requests), pytest.raises(NotFound):
        client.study(name)
    (path,) = [path for _, path, _, _ in requests]
    assert path.startswith("/api/v1/studies/")
    assert path.count("/") == 4
    assert "?" not in path


def test_a_file_is_there_in_full_or_not_at_all(tmp_path):
    target = tmp_path / "map.csv"
    target.write_text("old")
    cut = (200, {"Content-Length": "100"}, b"half")
    with answering(cut, (200, {}, b"whole")) as (address, requests):
        with Client(address, retries=0) as client, pytest.raises(ServiceAway):
            client.export("a", target)
        assert target.read_text() == "old"
        with Client(address) as client:
            assert client.export("a", target) == target
        assert target.read_text() == "whole"
    with answering(cut, (200, {}, b"again")) as (address, requests):
        with Client(address, retries=QUICK) as client:
            client.export("a", target)
        assert len(requests) == 2
    with talking(problem(404, "not-found")) as (client, _), pytest.raises(NotFound):
        client.export("a", target)
    assert target.read_text() == "again"
    assert list(tmp_path.iterdir()) == [target]
    with Client("http://127.0.0.1:9") as client, pytest.raises(ValueError, match="csv, json"):
        client.export("a", tmp_path / "map.bmp")


def test_an_archive_is_sent_a_piece_at_a_time_and_whole_at_every_try(tmp_path, monkeypatch):
    monkeypatch.setattr("service.client.archives.PIECE", 7)
    file = tmp_path / "study.lpwd.zip"
    file.write_bytes(bytes(range(100)))
    done = {"study_id": "a", "trials": 1, "added": 1, "completed": 0, "kept": 0, "conflicts": []}
    answers = (problem(503, "database-locked"), (201, {}, json.dumps(done).encode()))
    with talking(*answers, retries=QUICK) as (client, requests):
        assert client.import_study(file).study_id == "a"
    assert [body for _, _, _, body in requests] == [file.read_bytes()] * 2
    assert {headers["Content-Length"] for _, _, headers, _ in requests} == {"100"}
    with Client("http://127.0.0.1:9") as client, pytest.raises(OSError, match="nothing"):
        client.import_study(tmp_path / "nothing")


HEAVY = ("torch", "ray", "fastapi", "starlette", "sqlalchemy", "alembic", "optuna", "scipy", "yaml")


def test_importing_the_client_brings_nothing_heavy():
    code = f"import sys, service.client; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"
