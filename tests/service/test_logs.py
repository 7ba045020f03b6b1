"""Lines in the log: their form, what is on them, and what never is."""

import json
import logging
import re

import pytest
import structlog

from service.logs import formatter
from service.request_log import REQUEST_ID, route_of
from service.secrecy import hide, hide_in

SECRET = "hunter2-hunter2"
TEXTS = [
    f"connecting to postgresql+psycopg://lpwd:{SECRET}@database:5432/lpwd",
    f"Authorization: Bearer {SECRET}",
    f"{{'authorization': 'Bearer {SECRET}', 'x': 1}}",
    f"sent with bearer {SECRET}",
    f"Cookie: session={SECRET}; theme=dark",
    f"RAY_AUTH_TOKEN={SECRET}",
    f"GET /hook?token={SECRET}&x=1",
    f'"password": "{SECRET}"',
    "the key lpwd_0123abcd_aBcDeFgHiJkLmNoP was revoked",
    "signed with whsec_aBcDeFgHiJkLmNoP",
]


@pytest.fixture
def logged():
    """What a logger says, as lines in a form."""
    logger = logging.getLogger("lpwd.test")
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)

    def lines(form):
        return [formatter(form).format(record) for record in records]

    yield logger, lines
    logger.removeHandler(handler)
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize("text", TEXTS)
def test_secrets_in_a_text_are_hidden(text, logged):
    assert "hunter" not in hide_in(text)
    assert "[hidden]" in hide_in(text)
    logger, lines = logged
    logger.info("%s", text)
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("failed")
    for form in ("text", "json"):
        for line in lines(form):
            assert "hunter" not in line
            assert "aBcDeFg" not in line


def test_secrets_are_hidden_by_the_names_they_go_under():
    headers = {"Authorization": SECRET, "Set-Cookie": SECRET, "X-Api-Key": SECRET, "Accept": "*/*"}
    assert hide({"headers": [headers], "db_password": SECRET, "token": None, "n": 3}) == {
        "headers": [dict.fromkeys(headers, "[hidden]") | {"Accept": "*/*"}],
        "db_password": "[hidden]",
        "token": None,
        "n": 3,
    }


def test_what_is_no_secret_stays():
    for text in ("study 1a2b: done", "http://127.0.0.1:8000/studies?state=done", "a tokenizer: x"):
        assert hide_in(text) == text


def test_json_is_one_object_a_line_with_what_is_bound(logged):
    logger, lines = logged
    structlog.contextvars.bind_contextvars(study="1a2b")
    logger.info("an %s", "event", extra={"with": {"trials": 3}})
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        logger.exception("failed")
    first, second = map(json.loads, lines("json"))
    assert first | {"time": ""} == {
        "event": "an event",
        "study": "1a2b",
        "trials": 3,
        "level": "info",
        "logger": "lpwd.test",
        "time": "",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", first["time"])
    assert "ValueError: broken" in second["exception"]
    assert not any("\n" in line for line in lines("json"))


def test_text_is_for_people_and_cannot_be_forged(logged):
    logger, lines = logged
    logger.warning("name %s", "x\n2026 [info] forged \x1b[31m", extra={"with": {"path": "a\nb"}})
    (line,) = lines("text")
    assert "\n" not in line
    assert "\x1b" not in line
    assert re.match(r"\d{4}-\d\d-\d\d [\d:]+ \[warning\] name x", line)


def test_every_request_has_an_id_and_a_line(client, study, caplog):
    caplog.set_level(logging.DEBUG, logger="lpwd.access")
    created = client.post("/api/v1/studies", json=study(), headers={REQUEST_ID: "mine-1"})
    assert created.headers[REQUEST_ID] == "mine-1"
    made = client.get("/api/v1/studies/nothing", headers={REQUEST_ID: "not well formed\t"})
    assert re.fullmatch("[0-9a-f]{16}", made.headers[REQUEST_ID])
    assert made.json()["request_id"] == made.headers[REQUEST_ID]
    client.get(f"/studies/{created.json()['study']['id']}")
    client.get("/static/lpwd.css")
    client.get("/api/v1/nowhere")
    client.get("/healthz")
    said = [(r.levelname, getattr(r, "with")) for r in caplog.records if r.name == "lpwd.access"]
    shown = [(level, w["method"], w["route"], w["status"]) for level, w in said]
    assert shown == [
        ("INFO", "POST", "/api/v1/studies", 201),
        ("INFO", "GET", "/api/v1/studies/{study_id}", 404),
        ("INFO", "GET", "/studies/{study_id}", 200),
        ("DEBUG", "GET", "/static/{path}", 200),
        ("INFO", "GET", "(none)", 404),
        ("DEBUG", "GET", "/healthz", 200),
    ]
    made = created.json()["study"]["id"]
    studies = [with_.get("study") for _, with_ in said]
    assert studies == [made, "nothing", made, None, None, None]
    assert all(with_["milliseconds"] > 0 for _, with_ in said)
    assert said[0][1]["path"] == "/api/v1/studies"


def test_routes_are_named_by_their_template():
    class Route:
        path = "/studies/{study_id}"

    scope = {"path": "/api/v1/studies/1a", "route": Route()}
    assert route_of(scope) == "/api/v1/studies/{study_id}"
    assert route_of({"path": "/whatever"}) == "(none)"


@pytest.mark.parametrize("form", ["text", "json"])
def test_lines_of_requests_keep_to_the_same_rules(form):
    said = {"method": "GET", "path": f"/x/token={SECRET}\n[info] forged", "status": 200}
    record = logging.makeLogRecord(
        {"name": "lpwd.access", "levelname": "INFO", "msg": "request", "with": said}
    )
    line = formatter(form).format(record)
    assert "hunter" not in line
    assert "\n" not in line
    if form == "json":
        assert json.loads(line)["status"] == 200
        assert json.loads(line)["time"].endswith("Z")
    else:
        assert re.match(r"\d{4}-\d\d-\d\d [\d:]+ \[info\] request method=GET path=/x", line)
