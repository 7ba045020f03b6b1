"""Bad bodies: always a 4xx problem document that names the field, and never a row."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from service.app import create_app
from service.db import Database, schema
from service.settings import Settings
from tests.service.refusals import refused, unchanged

STUDIES, SCHEDULES = "/api/v1/studies", "/api/v1/schedules"
NAN, INF = float("nan"), float("inf")


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


@pytest.mark.parametrize(
    ("text", "twice"),
    [
        ('{"task": "digits-mlp", "seeds": 2, "seeds": 5}', "seeds"),
        ('{"budget": {"epochs": 2, "epochs": 9}}', "epochs"),
        ('{"optimizers": [{"name": "adamw", "label": "a", "name": "sgd"}]}', "name"),
        ('{"se\\u0065ds": 2, "seeds": 2}', "seeds"),
    ],
)
def test_a_key_that_stands_twice_is_refused_by_its_name(client, database, study, text, twice):
    whole = json.dumps(study())[:-1] + ", " + text[1:]
    for path in (f"{STUDIES}?dry_run=true", STUDIES, SCHEDULES):
        answer = client.post(path, content=whole, headers={"Content-Type": "application/json"})
        body = refused(answer, twice if "task" not in text else "task")
        assert answer.status_code == 422
        assert "stands twice in one object" in body["detail"]
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
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
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


def test_a_learning_rate_that_vanishes_in_float32_is_refused(client, study):
    answer = client.post(STUDIES, json=study(learning_rates=[1e-320]))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "learning_rates.0"


@pytest.mark.parametrize("body", ["[" * 20_000 + "]" * 20_000, '{"seeds": ' + "9" * 5000 + "}"])
def test_a_body_that_cannot_be_read_is_told_what_can(client, body):
    answer = client.post(STUDIES, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "send JSON that is whole" in answer.json()["detail"]
