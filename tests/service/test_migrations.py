"""Migrations on databases that hold something: nothing gets lost, and the service goes on."""

import hashlib
import json
from datetime import UTC, datetime

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, MetaData, Table, insert, inspect, select
from starlette.testclient import TestClient

from service.app import create_app
from service.db import Database, schema
from service.db.check import check
from service.settings import Settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = {"amp": False, "channels_last": False, "compile": False, "cuda_graphs": False}
SETTINGS = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "amsgrad": False, "coupled": True}
PRECISIONS = ("float32", "float64")
TRIAL = {
    "task": "digits-mlp",
    "task_version": 1,
    "optimizer": "adamw",
    "optimizer_version": 1,
    "hyperparameters": SETTINGS,
    "learning_rate": 0.01,
    "weight_decay": 0.1,
    "seed": 0,
    "epochs": 2,
    "batch_size": 64,
    "schedule": "constant",
    "engine_version": 1,
    "attempts": 0,
    "epochs_done": 2,
    "created_at": NOW,
    "state": "done",
    "test_score": 0.9,
    "validation_score": 0.91,
}


def spec(precision):
    return {
        "name": precision,
        "task": "digits-mlp",
        "task_version": 1,
        "variants": [
            {"label": "adamw", "name": "adamw", "version": 1, "hyperparameters": SETTINGS}
        ],
        "learning_rates": [0.01],
        "weight_decays": [0.1],
        "seeds": [0],
        "budget": {
            "epochs": 2,
            "batch_size": 64,
            "schedule": "constant",
            "precision": precision,
        },
    }


def body(precision):
    """A study in a request, as a schedule keeps it."""
    return {
        "name": None,
        "task": "digits-mlp",
        "optimizers": [{"name": "adamw", "hyperparameters": {}, "label": None}],
        "learning_rates": [0.01],
        "weight_decays": [0.1],
        "seeds": [0],
        "budget": {
            "epochs": 2,
            "batch_size": None,
            "schedule": "constant",
            "precision": precision,
        },
    }


def digest(data):
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


@pytest.fixture
def old(blank_url):
    """A database of the first revision, with a study of each precision in it."""
    database = Database(blank_url)
    schema.upgrade(database, "0001")
    write(database, "studies", [study(precision) for precision in PRECISIONS])
    write(database, "trials", [trial(precision) for precision in PRECISIONS])
    write(
        database,
        "study_trials",
        [{"study_id": p, "trial_key": f"key{p}", "position": 0} for p in PRECISIONS],
    )
    write(database, "curves", [{"trial_key": "keyfloat32", "epochs": 2, "data": b"curve"}])
    write(database, "schedules", [schedule(precision) for precision in PRECISIONS])
    write(
        database,
        "idempotency_keys",
        [
            {"key": p, "request_hash": digest(spec(p)), "study_id": p, "created_at": NOW}
            for p in PRECISIONS
        ],
    )
    yield database
    database.close()


def study(precision):
    return {
        "id": precision,
        "name": precision,
        "task": "digits-mlp",
        "spec": spec(precision),
        "state": "done",
        "reused": 0,
        "created_at": NOW,
    }


def trial(precision):
    return {"key": f"key{precision}", "precision": precision, **TRIAL}


def schedule(precision):
    return {
        "id": precision,
        "name": precision,
        "cron": "0 2 * * *",
        "timezone": "UTC",
        "study": body(precision),
        "enabled": True,
        "next_at": NOW,
        "created_at": NOW,
    }


def reflect(database, name):
    table = Table(name, MetaData(), autoload_with=database.engine)
    for column in ("spec", "study", "hyperparameters", "numerics"):
        if column in table.c:
            table.c[column].type = JSON()  # SQLite's own name for it is a mere text
    return table


def write(database, name, rows):
    with database.write() as session:
        session.execute(insert(reflect(database, name)), rows)


def read(database, name):
    table = reflect(database, name)
    with database.read() as session:
        return [
            dict(row)
            for row in session.execute(select(table).order_by(*table.primary_key)).mappings()
        ]


def everything(database):
    tables = ("studies", "trials", "study_trials", "curves", "schedules", "idempotency_keys")
    return {name: read(database, name) for name in tables}


def test_the_precision_becomes_a_part_of_the_numeric_mode_and_back(old):
    before = everything(old)
    schema.upgrade(old, "0002")
    trials = read(old, "trials")
    assert "precision" not in trials[0]
    assert [row["numerics"] for row in trials] == [{"precision": p} | PLAIN for p in PRECISIONS]
    for row in read(old, "studies"):
        assert row["spec"]["budget"]["numerics"] == {"precision": row["id"]} | PLAIN
        assert "precision" not in row["spec"]["budget"]
    for row in read(old, "schedules"):
        assert row["study"]["numerics"] == {"precision": row["id"]} | PLAIN
        assert "precision" not in row["study"]["budget"]
    assert read(old, "curves") == before["curves"]
    schema.downgrade(old, "0001")
    assert everything(old) == before


def test_the_service_goes_on_with_an_old_database(old, blank_url):
    schema.upgrade(old)
    with TestClient(create_app(Settings(_env_file=None, database_url=blank_url))) as client:
        found = client.get("/api/v1/studies/float64").json()
        assert (found["finished"], found["progress"]) == (1, 1.0)
        results = client.get("/api/v1/studies/float64/heatmap.json").json()
        assert results["robustness"][0]["best"] == pytest.approx(0.9)
        (shown,) = client.get("/api/v1/studies/float64/trials").json()["items"]
        assert shown["numerics"] == {"precision": "float64"} | PLAIN
        schedules = client.get("/api/v1/schedules").json()
        assert {s["study"]["numerics"]["precision"] for s in schedules} == set(PRECISIONS)
        assert client.post("/api/v1/schedules/float64/run").is_success
        # The key finds the study that the same request made before there were numeric modes.
        again = client.post(
            "/api/v1/studies",
            json={**body("x"), "name": "float64", "budget": {"epochs": 2, "batch_size": 64}}
            | {"numerics": {"precision": "float64"}},
            headers={"Idempotency-Key": "float64"},
        )
        assert again.status_code == 200, again.text
        assert again.json()["study"]["id"] == "float64"


@pytest.mark.parametrize("revision", schema.REVISIONS)
def test_there_is_a_way_up_and_back_from_every_revision(old, revision):
    schema.upgrade(old, revision)
    before = {name: read(old, name) for name in tables(old)}
    assert len(before["trials"]) == len(PRECISIONS)
    for _ in range(2):
        schema.upgrade(old)
        assert schema.pending(old) == []
        schema.downgrade(old, revision)
        assert schema.current(old) == revision
        assert {name: read(old, name) for name in tables(old)} == before
    schema.upgrade(old)
    assert [one.wrong for one in check(old) if one.name.startswith(("the file", "what is"))] in (
        [],
        [0, 0],
    )
    schema.downgrade(old, "base")
    assert tables(old) == set()


def test_the_revisions_are_those_that_there_are():
    scripts = ScriptDirectory.from_config(schema._config())
    assert [one.revision for one in scripts.walk_revisions()][::-1] == list(schema.REVISIONS)


def tables(database):
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}
