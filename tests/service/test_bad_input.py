"""Bad input: always a 4xx problem document that names the field, and never a row."""

import base64
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from service.app import create_app
from service.db import Base, Database, schema
from service.settings import Settings
from tests.service import work

STUDIES, SCHEDULES = "/api/v1/studies", "/api/v1/schedules"
NAN, INF = float("nan"), float("inf")


def refused(answer, field=None):
    """Check a problem document; returns it."""
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "instance", "errors", "request_id"}
    assert body["status"] == answer.status_code
    assert body["type"].startswith("urn:lpwd:problem:")
    assert body["detail"]
    assert answer.request.url.path == body["instance"]
    if field is not None:
        assert field in [error["field"] for error in body["errors"]], body
    return body


def unchanged(database):
    return all(work.rows(database, mapper.class_) == [] for mapper in Base.registry.mappers)


def optimizer(**hyperparameters):
    return [{"name": "adamw", "hyperparameters": hyperparameters}]


BAD = [
    ("task", {"task": "imagenet"}),
    ("task", {"task": 5}),
    ("task", {"task": None}),
    ("task", {"task": "x" * 101}),
    ("task", {"task": "digits-mlp\0"}),
    ("optimizers.0.name", {"optimizers": ["adamv"]}),
    ("optimizers.0.name", {"optimizers": ["AdamW"]}),
    ("optimizers.1.name", {"optimizers": ["adamw", {"name": "no such"}]}),
    ("optimizers.0.name", {"optimizers": [{"label": "x"}]}),
    ("optimizers.0.name", {"optimizers": [{"name": "adamw\0"}]}),
    ("optimizers.0.name", {"optimizers": ["x" * 101]}),
    ("optimizers.0.colour", {"optimizers": [{"name": "adamw", "colour": 1}]}),
    ("optimizers.0.label", {"optimizers": [{"name": "adamw", "label": "A b"}]}),
    ("optimizers.0.label", {"optimizers": [{"name": "adamw", "label": ""}]}),
    ("optimizers.0.label", {"optimizers": [{"name": "adamw", "label": "=1+1"}]}),
    ("optimizers.0.hyperparameters", {"optimizers": optimizer(alpha=1)}),
    ("optimizers.0.hyperparameters", {"optimizers": optimizer(beta1=1.0)}),
    ("optimizers.0.hyperparameters", {"optimizers": optimizer(beta1=-0.1)}),
    ("optimizers.0.hyperparameters", {"optimizers": optimizer(beta1="0.9")}),
    ("optimizers.0.hyperparameters", {"optimizers": optimizer(beta1=True)}),
    ("optimizers.0.hyperparameters", {"optimizers": optimizer(amsgrad=1)}),
    ("optimizers.0.hyperparameters", {"optimizers": optimizer(lr=0.1)}),
    ("optimizers.0.hyperparameters.beta1", {"optimizers": optimizer(beta1=10**400)}),
    ("optimizers.0.hyperparameters.beta1", {"optimizers": optimizer(beta1=NAN)}),
    ("optimizers.0.hyperparameters.eps", {"optimizers": optimizer(eps=INF)}),
    ("optimizers.0.hyperparameters.beta1", {"optimizers": optimizer(beta1=[0.9])}),
    ("optimizers.0.hyperparameters.beta1", {"optimizers": optimizer(beta1=None)}),
    ("optimizers.0.hyperparameters.beta1", {"optimizers": optimizer(beta1="x" * 101)}),
    ("optimizers.0.hyperparameters", {"optimizers": [{"name": "adamw", "hyperparameters": 5}]}),
    ("optimizers.1", {"optimizers": ["adamw", {"name": "adamw", "label": "again"}]}),
    ("", {"optimizers": ["adamw", {"name": "adam-l2", "label": "adamw"}]}),
    ("", {"optimizers": ["adamw", "adamw"]}),
    ("optimizers", {"optimizers": []}),
    ("optimizers", {"optimizers": "adamw"}),
    ("optimizers.0", {"optimizers": [["adamw"]]}),
    ("optimizers", {"optimizers": ["adamw"] * 201}),
    ("learning_rates", {"learning_rates": []}),
    ("learning_rates", {"learning_rates": 0.1}),
    ("learning_rates", {"learning_rates": {"0.1": 1}}),
    ("learning_rates", {"learning_rates": [0.1, 0.2, 0.1]}),
    ("learning_rates", {"learning_rates": [n + 1 for n in range(201)]}),
    ("weight_decays", {"weight_decays": [0, 0.0]}),
    ("weight_decays", {"weight_decays": [0.0, -0.0]}),
    ("weight_decays", {"weight_decays": []}),
    ("seeds", {"seeds": 0}),
    ("seeds", {"seeds": -1}),
    ("seeds", {"seeds": 1001}),
    ("seeds", {"seeds": 10**400}),
    ("seeds", {"seeds": []}),
    ("seeds", {"seeds": "3"}),
    ("seeds", {"seeds": 3.0}),
    ("seeds", {"seeds": True}),
    ("seeds", {"seeds": [1, 1]}),
    ("seeds.0", {"seeds": [-1]}),
    ("seeds.0", {"seeds": [2**31]}),
    ("seeds.0", {"seeds": [1.5]}),
    ("seeds.0", {"seeds": [True]}),
    ("seeds.0", {"seeds": ["1"]}),
    ("budget.epochs", {"budget": {"epochs": 0}}),
    ("budget.epochs", {"budget": {"epochs": 10_001}}),
    ("budget.epochs", {"budget": {"epochs": 2.0}}),
    ("budget.epochs", {"budget": {"epochs": True}}),
    ("budget.batch_size", {"budget": {"batch_size": 0}}),
    ("budget.batch_size", {"budget": {"batch_size": 10**9}}),
    ("budget.schedule", {"budget": {"schedule": "exponential"}}),
    ("numerics.precision", {"numerics": {"precision": "float8"}}),
    ("numerics", {"numerics": {"precision": "float64", "amp": True}}),
    ("budget.steps", {"budget": {"steps": 5}}),
    ("budget", {"budget": None}),
    ("name", {"name": ""}),
    ("name", {"name": "   "}),
    ("name", {"name": "x" * 201}),
    ("name", {"name": "a\0b"}),
    ("name", {"name": "a\nb"}),
    ("name", {"name": "\ud800"}),
    ("name", {"name": 7}),
    ("nmae", {"nmae": "typo"}),
    ("tags", {"tags": ["a", "a"]}),
    ("tags", {"tags": [f"tag-{n}" for n in range(51)]}),
    ("tags.0", {"tags": ["Upper"]}),
    ("tags.0", {"tags": ["a/b"]}),
    ("tags.0", {"tags": [""]}),
    ("tags.0", {"tags": ["x" * 61]}),
    ("note", {"note": "a\0b"}),
    ("note", {"note": "x" * 10_001}),
    ("note", {"note": "\ud800"}),
    ("priority", {"priority": 101}),
    ("priority", {"priority": -101}),
    ("priority", {"priority": 1.5}),
    ("priority", {"priority": True}),
    ("limits", {"limits": 60}),
    ("limits.running_seconds", {"limits": {"running_seconds": 0}}),
    ("limits.training_seconds", {"limits": {"training_seconds": NAN}}),
    ("limits.seconds", {"limits": {"seconds": 5}}),
]
for axis in ("learning_rates", "weight_decays"):
    BAD += [
        (f"{axis}.0", {axis: [value]})
        for value in (-1, -1e-9, NAN, INF, -INF, 1001, True, "0.1", None, [0.1], 10**400)
    ]
BAD += [("learning_rates.0", {"learning_rates": [zero]}) for zero in (0, 0.0, -0.0)]


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_bad_study_is_refused_by_the_field(client, database, study, dry_run):
    for field, changes in BAD:
        text = json.dumps(study(**changes))
        answer = client.post(
            STUDIES,
            content=text,
            params={"dry_run": dry_run},
            headers={"Content-Type": "application/json"},
        )
        body = refused(answer, field)
        assert answer.status_code == 422
        assert len(answer.content) < 20_000, changes
        assert len(body["errors"]) == 1 or field == "optimizers.0", body["errors"]
    assert unchanged(database)


@pytest.mark.parametrize("missing", ["task", "optimizers", "learning_rates", "weight_decays"])
def test_a_study_that_lacks_a_field_is_refused(client, database, study, missing):
    request = study()
    del request[missing]
    refused(client.post(STUDIES, json=request), missing)
    assert unchanged(database)


def test_a_milliard_of_trials_is_refused_before_it_is_listed(client, database, study):
    rates = [n / 1000 for n in range(1, 201)]
    request = study(
        optimizers=[
            {"name": "adamw", "hyperparameters": {"beta1": n / 100}, "label": f"w{n}"}
            for n in range(25)
        ],
        learning_rates=rates,
        weight_decays=rates,
        seeds=1000,
    )
    body = refused(client.post(STUDIES, json=request), "seeds")
    assert "1,000,000,000 trials" in body["detail"]
    assert unchanged(database)


def test_a_near_miss_is_answered_with_what_was_meant(client, study):
    body = client.post(STUDIES, json=study(optimizers=["adam_lpwd"])).json()
    assert "did you mean 'adam-lpwd'" in body["detail"]


BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"5",
    b"NaN",
    b'{"task": "\xff"}',
    b'{"\\ud800": 1}',
    b"[" * 100_000,
    b'{"seeds": ' + b"1" * 5000 + b"}",
    b"\xef\xbb\xbf{}",
    b"\0",
]


@pytest.mark.parametrize("path", [STUDIES, SCHEDULES])
def test_a_body_that_is_no_object_of_json_is_refused(client, database, path):
    for body in BODIES:
        refused(client.post(path, content=body, headers={"Content-Type": "application/json"}))
    assert unchanged(database)


def test_broken_json_is_told_from_a_field(client):
    answer = client.post(STUDIES, content="{task: 1}", headers={"Content-Type": "application/json"})
    body = refused(answer, "")
    assert "not JSON" in body["detail"]
    assert "character 1" in body["detail"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "x"])
def test_a_body_of_another_media_type_is_refused(client, database, study, kind):
    text = json.dumps(study())
    refused(client.post(STUDIES, content=text, headers={"Content-Type": kind}))
    assert unchanged(database)


def test_a_body_that_is_too_large_is_refused_declared_or_not(client, database, study, settings):
    whole = json.dumps(study()).encode() + b" " * settings.max_body_bytes
    headers = {"Content-Type": "application/json"}
    chunks = (whole[start : start + 10_000] for start in range(0, len(whole), 10_000))
    for content in (whole, chunks):
        answer = client.post(STUDIES, content=content, headers=headers)
        assert answer.status_code == 413
        assert "1,048,576 bytes" in refused(answer)["detail"]
    assert unchanged(database)
    fits = json.dumps(study()).encode()
    fits += b" " * (settings.max_body_bytes - len(fits))
    assert client.post(STUDIES, content=fits, headers=headers).status_code == 201


BAD_SCHEDULES = [
    ("cron", {"cron": ""}),
    ("cron", {"cron": "every night"}),
    ("cron", {"cron": "61 * * * *"}),
    ("cron", {"cron": "* * * *"}),
    ("cron", {"cron": "* * * * * *"}),  # would be every second
    ("cron", {"cron": "*/0 * * * *"}),
    ("cron", {"cron": "@daily"}),
    ("cron", {"cron": "30 2 30 2 *"}),
    ("cron", {"cron": "0 0 31 4,6 *"}),
    ("cron", {"cron": "0 0 29 2 1#6"}),
    ("cron", {"cron": "\0 * * * *"}),
    ("cron", {"cron": "٣ * * * *"}),
    ("cron", {"cron": "1" * 201}),
    ("cron", {"cron": 5}),
    ("timezone", {"timezone": "Mars/Phobos"}),
    ("timezone", {"timezone": ""}),
    ("timezone", {"timezone": "Europe"}),
    ("timezone", {"timezone": "../../etc/passwd"}),
    ("timezone", {"timezone": "/etc/localtime"}),
    ("timezone", {"timezone": "UTC\0"}),
    ("timezone", {"timezone": "x" * 65}),
    ("name", {"name": ""}),
    ("name", {"name": None}),
    ("enabled", {"enabled": "maybe"}),
    ("when", {"when": "now"}),
    ("study.task", {"study": {"task": "imagenet"}}),
    ("study.optimizers.0.name", {"study": {"optimizers": ["adamv"]}}),
    ("study.learning_rates.0", {"study": {"learning_rates": [-1]}}),
    ("study.seeds", {"study": {"seeds": 0}}),
    ("study.typo", {"study": {"typo": 0}}),
]


def test_a_bad_schedule_is_refused_by_the_field(client, database, study):
    good = {"name": "nightly", "cron": "30 2 * * *", "timezone": "UTC", "study": study()}
    for field, changes in BAD_SCHEDULES:
        changed = changes
        if "study" in changes:
            changed = {"study": study(**changes["study"])}
        answer = client.post(SCHEDULES, json=good | changed)
        refused(answer, field)
    assert unchanged(database)
    made = client.post(SCHEDULES, json=good).json()
    for field, changes in BAD_SCHEDULES:
        if changes == {"name": None}:
            continue
        changed = changes
        if "study" in changes:
            changed = {"study": study(**changes["study"])}
        refused(client.patch(f"{SCHEDULES}/{made['id']}", json=changed), field)
    assert client.get(f"{SCHEDULES}/{made['id']}").json() == made


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
    assert refused(client.put(STUDIES))["status"] == 405
    assert client.put(STUDIES).headers["allow"]
    assert refused(client.get("/api/v1/nothing"))["status"] == 404
    assert refused(client.get("/nothing"))["status"] == 404
    page = client.get("/nothing", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    answer = client.get("/api/v1/nothing", headers={"Accept": "text/html"})
    assert refused(answer)["status"] == 404


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.sampled_from(["digits-mlp", "adamw", "constant", 0.1, 2, 10**30, "\0"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "label", "hyperparameters", "epochs", "beta1"])
            | st.text(max_size=4),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
FIELDS = ["name", "task", "optimizers", "learning_rates", "weight_decays", "seeds", "budget", "?"]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    """One application for all examples; what it does not expect, the test sees."""
    url = f"sqlite:///{tmp_path_factory.mktemp('fuzz') / 'lpwd.db'}"
    database = Database(url)

    schema.upgrade(database)
    with TestClient(create_app(Settings(_env_file=None, database_url=url))) as client:
        yield client, database
    database.close()


@given(changes=st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1, max_size=2))
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_body_whatever_breaks_the_service(fuzzed, study, changes):
    client, _ = fuzzed
    answer = client.post(
        STUDIES,
        content=json.dumps(study(**changes)),
        params={"dry_run": True},
        headers={"Content-Type": "application/json"},
    )
    if answer.status_code == 200:
        assert answer.json()["trials"] >= 1
    else:
        refused(answer)


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


def test_a_learning_rate_that_vanishes_in_float32_is_refused(client, study):
    answer = client.post(STUDIES, json=study(learning_rates=[1e-320]))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "learning_rates.0"
