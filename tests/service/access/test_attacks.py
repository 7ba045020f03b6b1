"""What attackers send, to the real application: refused with a problem document, nothing done."""

import asyncio
import gzip
import json

import pytest

from service.archive import endpoints as archive_endpoints
from service.db import Base
from service.db.tables.studies import StudyRow
from service.limits import BodyLimit
from tests.service import work
from tests.service.refusals import refused

STUDIES = "/api/v1/studies"
INJECTIONS = (
    "' OR '1'='1",
    "1; DROP TABLE studies; --",
    '" UNION SELECT hash FROM api_keys --',
    "%' OR 1=1 --",
    "\\'; SELECT pg_sleep(10); --",
    "$(id)",
    "{{7*7}}",
    "..%2f..%2fetc%2fpasswd",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\u202e\ud7ff",
)


def counts(database):
    return {m.class_.__name__: len(work.rows(database, m.class_)) for m in Base.registry.mappers}


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fpyproject.toml",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/static/..%5c..%5cpyproject.toml",
        "/static/%00",
        "/static//etc/passwd",
        "/api/v1/studies/..%2fkeys",
        "/api/v1/studies/%2e%2e%2f%2e%2e%2fetc%2fpasswd/heatmap.png",
        "/api/v1/presets/..%2f..%2fsettings.py",
        "/api/v1/tasks/..%2f..%2fetc%2fpasswd",
        "/studies/..%2f..%2fetc%2fpasswd",
        "/healthz/..%2fapi/v1/keys/x",
    ],
)
def test_paths_lead_nowhere_else(client, path):
    answer = client.get(path)
    assert answer.status_code in {400, 404, 405, 422}, answer.text
    assert "root:" not in answer.text
    assert "[project]" not in answer.text


def test_what_is_injected_is_text(client, database, study):
    """Into every string of every route's path and query."""
    client.post(STUDIES, json=study())
    before = counts(database)
    document = client.get("/api/v1/openapi.json").json()
    tried = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            named = operation.get("parameters", [])
            for text in INJECTIONS if method == "get" else INJECTIONS[:3]:
                places = [one["name"] for one in named if one["in"] == "path"]
                address = path
                for place in places:
                    address = address.replace(f"{{{place}}}", text.replace("/", "%2f"))
                query = {one["name"]: text for one in named if one["in"] == "query"}
                if not places and not query:
                    continue
                answer = client.request(method, address, params=query)
                tried += 1
                assert answer.status_code < 500, (method, address, query, answer.text)
                if places:
                    assert answer.status_code >= 400, (method, address)
    assert tried > 300
    assert counts(database) == before


def test_what_is_injected_into_bodies_is_text(client, database, study):
    for text in INJECTIONS:
        body = study(name=text, seeds=1) | {"note": text}
        answer = client.post(STUDIES, json=body)
        if answer.status_code == 201:
            assert client.get(answer.headers["location"]).json()["name"] == text
            page = client.get(answer.headers["location"].removeprefix("/api/v1")).text
            assert "<script>alert" not in page
        else:
            refused(answer)
        for field in ("task", "optimizers", "mode"):
            refused(client.post(STUDIES, json=study() | {field: text}))
    assert {row.task for row in work.rows(database, StudyRow)} == {"digits-mlp"}


def test_no_header_is_split(client, study):
    for text in ("a\r\nSet-Cookie: x=1", "a\nX-Injected: 1", "a\r\n\r\n<html>"):
        refused(client.post(STUDIES, json=study(name=text)))
        refused(client.post(STUDIES, json=study(), headers={"Idempotency-Key": "a b"}))
    for path in (
        "/login?next=/%0d%0aSet-Cookie:%20x=1",
        "/%0d%0aX-Injected:1",
        f"{STUDIES}/%0d%0a",
    ):
        answer = client.get(path, follow_redirects=False)
        assert "x-injected" not in answer.headers
        assert "x=1" not in answer.headers.get("set-cookie", "")
        assert all("\n" not in value and "\r" not in value for value in answer.headers.values())


def test_addresses_and_headers_are_only_so_long(client):
    assert refused(client.get("/api/v1/" + "x" * 9000))["status"] == 414
    assert refused(client.get(STUDIES, params={"q": "x" * 9000}))["status"] == 414
    assert refused(client.get(STUDIES, headers={"X": "x" * 40_000}))["status"] == 431
    many = {f"X-{number}": "x" for number in range(120)}
    assert refused(client.get(STUDIES, headers=many))["status"] == 431


def test_bodies_are_only_so_large_deep_and_packed(client, study, database):
    assert refused(client.post(STUDIES, content=b" " * 1_100_000))["status"] == 413
    stream = (b" " * 100_000 for _ in range(12))
    assert refused(client.post(STUDIES, content=stream))["status"] == 413
    json_ = {"Content-Type": "application/json"}
    for deep in (b"[" * 500_000, b'{"a":' * 100_000, b"[" * 200_000 + b"]" * 200_000):
        refused(client.post(STUDIES, content=deep, headers=json_))
    nested = json.dumps(study()).replace('"adamw"', "[" * 900 + "]" * 900)
    refused(client.post(STUDIES, content=nested, headers=json_))
    packed = gzip.compress(b" " * 1_000_000)
    for coding in ("gzip", "br", "deflate", "identity, gzip"):
        headers = json_ | {"Content-Encoding": coding}
        assert refused(client.post(STUDIES, content=packed, headers=headers))["status"] == 415
    digits = b'{"task": "digits-mlp", "seeds": ' + b"9" * 100_000 + b"}"
    refused(client.post(STUDIES, content=digits, headers=json_))
    assert work.rows(database, StudyRow) == []


def test_a_body_that_never_ends_is_not_waited_for():
    sent = []

    async def app(scope, receive, send):
        raise AssertionError("it came through")

    async def receive():
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/v1/x", "headers": []}
    scope |= {"query_string": b"", "server": ("127.0.0.1", 80), "scheme": "http"}
    asyncio.run(BodyLimit(app, most=1000, slowest=0.2)(scope, receive, send))
    assert sent[0]["status"] == 408
    assert b"too-slow" in sent[1]["body"]


def test_an_archive_that_never_ends_is_not_waited_for(client, monkeypatch):
    monkeypatch.setattr(archive_endpoints, "SLOWEST", 0.2)
    sent = []

    async def receive():
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/api/v1/studies/import"}
    scope |= {"headers": [(b"host", b"testserver")], "query_string": b"", "scheme": "http"}
    scope |= {"server": ("127.0.0.1", 80), "client": ("127.0.0.1", 5000)}
    asyncio.run(client.app(scope, receive, send))
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert b"too-slow" in sent[1]["body"]


def test_no_method_is_smuggled(client, study):
    answer = client.post(STUDIES, json=study())
    address = answer.headers["location"]
    for header in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
        client.post(address, headers={header: "DELETE"})
    client.get(f"{address}?_method=DELETE")
    assert client.get(address).status_code == 200
    for method in ("TRACE", "CONNECT", "PROPFIND", "XYZ"):
        assert client.request(method, address).status_code in {403, 404, 405}
