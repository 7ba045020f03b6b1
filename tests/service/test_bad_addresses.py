"""Bad ids, cursors, parameters and methods: always a 4xx problem document that names them."""

import base64
import json

from tests.service.refusals import refused

STUDIES, SCHEDULES = "/api/v1/studies", "/api/v1/schedules"

ODD = ["a%00b", "%ED%A0%80", "%F0%9F%92%A9", "x" * 5000, "' OR 1=1 --", "..%2f..", "%25", " "]


def test_an_odd_id_is_just_not_found(client):
    addresses = [
        ("GET", f"{STUDIES}/{{}}"),
        ("DELETE", f"{STUDIES}/{{}}"),
        ("POST", f"{STUDIES}/{{}}/cancel"),
        ("GET", f"{STUDIES}/{{}}/trials"),
        ("GET", f"{STUDIES}/{{}}/events"),
        ("GET", f"{STUDIES}/{{}}/heatmap.json"),
        ("GET", f"{STUDIES}/{{}}/heatmap.csv"),
        ("GET", f"{STUDIES}/{{}}/heatmap.svg"),
        ("GET", f"{STUDIES}/{{}}/heatmap.png"),
        ("GET", f"{STUDIES}/{{}}/robustness"),
        ("GET", "/api/v1/trials/{}"),
        ("GET", f"{SCHEDULES}/{{}}"),
        ("DELETE", f"{SCHEDULES}/{{}}"),
        ("POST", f"{SCHEDULES}/{{}}/run"),
        ("GET", f"{SCHEDULES}/{{}}/firings"),
        ("GET", "/api/v1/optimizers/{}"),
        ("GET", "/api/v1/tasks/{}"),
    ]
    for method, address in addresses:
        for odd in [*ODD, "0123456789ab"]:
            answer = client.request(method, address.format(odd))
            assert refused(answer)["status"] == 404, (method, address, odd)
    for odd in ODD:
        answer = client.patch(f"{SCHEDULES}/{odd}", json={"enabled": False})
        assert refused(answer)["status"] == 404


def cursor(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode()


NOW = "2026-01-01T00:00:00+00:00"
CURSORS = [
    "",
    "?",
    "not base64 at all",
    "YWJj",
    cursor(5),
    cursor("ab"),
    cursor([]),
    cursor([NOW]),
    cursor(["newest"]),
    cursor(["newest", NOW]),
    cursor(["newest", NOW, 1]),
    cursor(["newest", NOW, None]),
    cursor(["newest", NOW, []]),
    cursor(["newest", NOW, ["a"]]),
    cursor(["newest", NOW, {}]),
    cursor(["newest", [], "a"]),
    cursor(["newest", NOW, "a", "b"]),
    cursor(["oldest", NOW, "a"]),
    cursor(["newest", "yesterday", "a"]),
    cursor(["newest", NOW, "\0"]),
    cursor(["newest", NOW, "\ud800"]),
    cursor(["newest", "0001-01-01T00:00:00+23:59", "a"]),
    cursor(["newest", "9999-12-31T23:59:59-23:59", "a"]),
    cursor(b"[" * 1400),
    cursor([NOW, 1]),
    cursor([1, "a"]),
    cursor({"a": 1, "b": 2}),
    cursor(["yesterday", "a"]),
    cursor([NOW, "\0"]),
    cursor([NOW, "\ud800"]),
    cursor(["0001-01-01T00:00:00+23:59", "a"]),
    cursor(["9999-12-31T23:59:59-23:59", "a"]),
    cursor(b"\xff\xfe"),
    cursor(b"[" * 5_000),
    "\0",
    "ü",
]


def test_a_cursor_of_somebody_elses_is_refused(client):
    for odd in CURSORS:
        answer = client.get(STUDIES, params={"cursor": odd})
        assert refused(answer, "cursor")["status"] == 422, odd
        assert client.get("/", params={"cursor": odd}).status_code < 500
    for order, values in (("name", [[], "a"]), ("name", [1, "a"]), ("priority", [[], NOW, "a"])):
        odd = cursor([order, *values])
        answer = client.get(STUDIES, params={"cursor": odd, "order": order})
        assert refused(answer, "cursor")["status"] == 422, odd


QUERIES = [
    (STUDIES, "limit", ["0", "-1", "201", "x", "", "1e3", "9" * 5000]),
    (STUDIES, "state.0", ["finished", "", "QUEUED", "\0"]),
    (STUDIES, "tag.0", ["", "A", "a\0", "x" * 61]),
    (STUDIES, "order", ["newset", ""]),
    (STUDIES, "task", ["", "a\0", "x" * 101]),
    (STUDIES, "optimizer", ["", "a\0", "x" * 101]),
    (STUDIES, "owner", ["", "a\0", "x" * 101]),
    (STUDIES, "q", ["", "a\0", "x" * 201]),
    (STUDIES, "created_after", ["yesterday", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:59"]),
    (STUDIES, "created_before", ["", "9999-12-31T23:59:59-23:59", "9" * 400]),
    ("{study}/trials", "limit", ["0", "1001", "nan"]),
    ("{study}/trials", "offset", ["-1", "99999999999999999999", "x"]),
    ("{study}/trials", "state.0", ["cancelled"]),
    ("{study}/trials", "seed.0", ["-1", "x", "9" * 30]),
    ("{study}/trials", "learning_rate.0", ["-1", "nan", "x"]),
    ("{study}/trials", "optimizer", ["", "A b", "none"]),
    ("{study}/heatmap.json", "tolerance", ["0", "-1", "nan", "inf", "x", "1e7"]),
    ("{study}/heatmap.json", "split", ["train", ""]),
    ("{study}/heatmap.csv", "tolerance", ["nan"]),
    ("{study}/robustness", "tolerance", ["-0.0"]),
    ("{study}/heatmap.svg", "theme", ["neon"]),
    ("{study}/heatmap.png", "scale", ["0", "5", "nan", "-1"]),
]


def test_a_bad_query_parameter_is_refused_by_its_name(client, study):
    address = client.post(STUDIES, json=study()).headers["location"]
    for path, name, values in QUERIES:
        for value in values:
            parameter = name.removesuffix(".0")
            answer = client.get(path.format(study=address), params={parameter: value})
            assert refused(answer, name)["status"] == 422, (path, name, value)


def test_methods_and_addresses_that_are_not_there(client):
    answer = client.put(STUDIES)
    assert refused(answer)["status"] == 405
    assert f"PUT is not for {STUDIES}; allowed: {answer.headers['allow']}" in answer.text
    assert refused(client.get("/api/v1/nothing"))["status"] == 404
    assert refused(client.get("/nothing"))["status"] == 404
    page = client.get("/nothing", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    answer = client.get("/api/v1/nothing", headers={"Accept": "text/html"})
    assert refused(answer)["status"] == 404


def test_a_misspelt_parameter_is_refused_and_sends_nothing(client, study):
    answer = client.post(STUDIES, json=study(), params={"dryrun": True})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "dryrun"
    assert "dry_run" in answer.json()["detail"]
    assert client.get(STUDIES).json()["items"] == []
    assert client.get(f"{STUDIES}?state=done&limit=5").status_code == 200
    made = client.post(STUDIES, json=study()).json()["study"]["id"]
    known = {"split": "validation", "tolerance": 0.02}
    assert client.get(f"{STUDIES}/{made}/heatmap.json", params=known).status_code == 200
    unknown = client.get(f"{STUDIES}/{made}/heatmap.json", params={"metric": "loss"})
    assert "split, tolerance" in unknown.json()["detail"]
