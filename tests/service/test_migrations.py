"""Migrations on databases that hold something: nothing gets lost, and the service goes on."""

import hashlib
import json
from datetime import UTC, datetime

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text
from starlette.testclient import TestClient

from service.app import create_app
from service.db import Database, schema
from service.db.check import check
from service.settings import Settings
from tests.service import samples
from tests.service.rows import everything, read, tables, write

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
        "finished_at": NOW,
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
    before = everything(old)
    assert len(before["trials"]) == len(PRECISIONS)
    for _ in range(2):
        schema.upgrade(old)
        assert schema.pending(old) == []
        schema.downgrade(old, revision)
        assert schema.current(old) == revision
        assert everything(old) == before
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


def test_what_an_older_version_has_room_for_survives_the_way_there_and_back(database):
    filled = samples.fill_every_table(database)
    before = everything(database)
    assert all(before.values()), {name for name, rows in before.items() if not rows}
    for revision in reversed(schema.REVISIONS[:-1]):
        schema.downgrade(database, revision)
        there = everything(database)
        schema.upgrade(database)
        back = everything(database)
        if revision < "0003":  # there were no searches
            before = without_study(before, filled["search"])
        for name, rows in there.items():
            assert shared(rows, back[name], revision) == shared(back[name], rows, revision)
            assert shared(rows, before[name], revision) == shared(before[name], rows, revision)
        assert [one.name for one in check(database) if not one.ok] == []


def without_study(contents, study_id):
    """Contents without a study, and without what belongs to it."""
    return {
        name: [
            row
            for row in rows
            if study_id not in (row.get("study_id"), row["id"] if name == "studies" else None)
        ]
        for name, rows in contents.items()
    }


REWRITTEN = {"0001": {"spec", "study", "request_hash"}, "0002": {"study"}}
"""Columns that say the same in another way, or leave out what went without saying."""


def shared(rows, others, revision):
    """Rows with the columns alone that others have too."""
    if not rows or not others:
        return rows
    columns = (rows[0].keys() & others[0].keys()) - REWRITTEN.get(revision, set())
    return [{name: row[name] for name in columns} for row in rows]


STUDY = {"task": "digits-mlp", "spec": {}, "reused": 0, "created_at": NOW}
IMPOSSIBLE = {
    "studies": [
        {**STUDY, "id": "a", "name": "a", "state": "running", "error": None, "finished_at": None},
        {**STUDY, "id": "b", "name": "b", "state": "queued", "error": "x", "finished_at": NOW},
        {**STUDY, "id": "c", "name": "c", "state": "failed", "error": None, "finished_at": None},
        {**STUDY, "id": "d", "name": "d", "state": "done", "error": None, "finished_at": NOW},
    ],
    "trials": [
        {**TRIAL, "key": "long", "numerics": {}, "attempts": -1, "epochs_done": 9},
        {**TRIAL, "key": "short", "numerics": {}, "attempts": 1, "epochs_done": -1},
        {**TRIAL, "key": "good", "numerics": {}, "attempts": 2, "epochs_done": 1},
    ],
    "curves": [
        {"trial_key": "good", "epochs": 1, "data": b"curve"},
        {"trial_key": "short", "epochs": 0, "data": b""},
    ],
    "study_trials": [
        {"study_id": "c", "trial_key": key, "position": place}
        for key, place in (("short", 3), ("good", 0), ("long", 3))
    ]
    + [{"study_id": "d", "trial_key": "good", "position": 7}],
}
"""As nobody but a person with a shell can have left it; but for the positions."""


@pytest.mark.parametrize("indexed", [False, True])
def test_what_can_no_longer_be_is_mended(blank_url, indexed):
    database = Database(blank_url)
    schema.upgrade(database, "0005")
    if indexed:  # as some databases of this revision are
        with database.write() as session:
            index = "ix_study_trials_position ON study_trials (study_id, position)"
            session.execute(text(f"CREATE INDEX {index}"))
    for name, rows in IMPOSSIBLE.items():
        write(database, name, rows)
    schema.upgrade(database)
    studies = [
        tuple(row[name] for name in ("id", "state", "error", "finished_at"))
        for row in read(database, "studies")
    ]
    moments = {finished for *_, finished in studies}
    assert len(moments) == 2  # SQLite's have no zone
    began = max(moment for moment in moments if moment)
    assert studies == [
        ("a", "queued", None, None),
        ("b", "queued", None, None),
        ("c", "failed", "the reason was not kept", began),
        ("d", "done", None, began),
    ]
    trials = {row["key"]: (row["attempts"], row["epochs_done"]) for row in read(database, "trials")}
    assert trials == {"long": (0, 2), "short": (1, 0), "good": (2, 1)}
    assert [(row["trial_key"], row["epochs"]) for row in read(database, "curves")] == [("good", 1)]
    places = {
        (row["study_id"], row["trial_key"]): row["position"]
        for row in read(database, "study_trials")
    }
    assert places == {("c", "good"): 0, ("c", "long"): 1, ("c", "short"): 2, ("d", "good"): 7}
    database.close()
