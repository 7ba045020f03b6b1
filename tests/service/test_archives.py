"""Studies as files: written, read elsewhere, and refused where they are not what they say."""

import hashlib
import io
import json
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.app import create_app
from service.archive import reading, storing, writing
from service.archive.checks import check
from service.archive.errors import ArchiveRefusedError, ArchiveTooLargeError
from service.db import Database
from service.db.tables.studies import CurveRow, StudyRow, TrialRow
from service.queue.results import give_up
from service.settings import Settings
from service.studies.model import StudyState
from service.trials.curves import unpack
from service.trials.model import TrialState
from tests.conftest import TestClient
from tests.service import work
from tests.service.search import points
from workers.search.contracts import PointState

STUDIES = "/api/v1/studies"
SEARCH = {
    "mode": "search",
    "task": "digits-mlp",
    "optimizers": ["adamw", {"name": "adam-lpwd", "label": "ours"}],
    "space": {"weight_decay": {"low": 0.001, "high": 1.0, "zero": True}},
    "seeds": 2,
    "budget": {"points": 3, "epochs": 4},
    "asha": False,
}


def score(trial):
    if (trial.learning_rate, trial.weight_decay) == (0.01, 0.1):
        return None
    return 1 / 3 - 0.01 * trial.seed


@contextmanager
def installation(url, folder):
    settings = Settings(_env_file=None, database_url=url, data_dir=folder)
    with TestClient(create_app(settings)) as talking:
        yield talking


@pytest.fixture
def elsewhere(sqlite_template, tmp_path):
    """Another installation's database, on SQLite."""
    path = tmp_path / "elsewhere.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def grid(sqlite_url):
    """A database with a grid that is done, and the grid's id."""
    database = Database(sqlite_url)
    study = {
        "name": "Grid, ünïcode 🙂",
        "task": "digits-mlp",
        "optimizers": ["adamw", {"name": "adam-lpwd", "hyperparameters": {"beta2": 0.99}}],
        "learning_rates": [0.001, 0.01],
        "weight_decays": [0, 0.1],
        "seeds": 2,
        "budget": {"epochs": 2, "batch_size": 64},
        "tags": ["a", "b"],
        "note": "Said.",
    }
    study_id = work.send(database, study)
    work.train(database, study_id, score)
    yield database, study_id
    database.close()


@pytest.fixture
def searched(sqlite_url):
    """A database with a search that is done, and the search's id."""
    database = Database(sqlite_url)
    study_id = points.send(database, SEARCH)
    held = work.lease(database)
    points.try_point(database, held, "adamw", 0)
    points.try_point(
        database,
        held,
        "adamw",
        1,
        PointState.PRUNED,
        record_=points.recorded(0.2),
        learning_rate=0.1,
    )
    points.try_point(
        database, held, "ours", 0, PointState.FAILED, record_=points.recorded(), reason="it broke"
    )
    with database.write() as session:
        held.end(session, StudyState.DONE)
    yield database, study_id
    database.close()


def archived(database: Database, study_id: str, path: Path) -> bytes:
    writing.write(database.address, study_id, path)
    return path.read_bytes()


def changed(data: bytes, **files) -> bytes:
    """An archive with files replaced by what functions make of them, its hashes renewed."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        found = {name: packed.read(name) for name in packed.namelist()}
    about = json.loads(found.pop("archive.json"))
    for name, change in files.items():
        if name != "archive":
            full = next(one for one in found if one.startswith(name))
            found[full] = change(found[full])
    about["files"] = {name: hashlib.sha256(body).hexdigest() for name, body in found.items()}
    if "archive" in files:
        about = files["archive"](about)
    return zipped({**found, "archive.json": json.dumps(about).encode()})


def zipped(files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, body in files.items():
            packed.writestr(name, body)
    return out.getvalue()


def in_first(name, value):
    """Change a field of the first line."""

    def change(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        line = json.loads(lines[0])
        line[name] = value(line[name]) if callable(value) else value
        return b"".join([json.dumps(line).encode() + b"\n", *lines[1:]])

    return change


@pytest.mark.parametrize("kind", ["grid", "searched"])
def test_from_sqlite_to_postgresql_and_back_nothing_changes(
    kind, request, tmp_path, postgres_url, elsewhere
):
    first, study_id = request.getfixturevalue(kind)
    data = archived(first, study_id, tmp_path / "1")
    assert archived(first, study_id, tmp_path / "again") == data
    for number, url in enumerate((postgres_url, elsewhere), start=2):
        with installation(url, tmp_path) as client:
            sent = client.post(f"{STUDIES}/import", content=data)
            assert sent.status_code == 201, sent.text
            body = sent.json()
            assert (body["study_id"], body["conflicts"]) == (study_id, [])
            assert body["added"] == body["trials"] > 0
            assert sent.headers["location"] == f"{STUDIES}/{study_id}"
            answer = client.get(f"{STUDIES}/{study_id}/archive")
            assert answer.headers["content-type"] == "application/zip"
            assert answer.content == data
            etag = answer.headers["etag"]
            same = client.get(f"{STUDIES}/{study_id}/archive", headers={"If-None-Match": etag})
            assert same.status_code == 304
            about = client.get(f"{STUDIES}/{study_id}").json()
            assert about["imported_at"]
            assert about["origin"].startswith("lpwd ")
            assert "Imported" in client.get(f"/studies/{study_id}").text
            assert client.post(f"{STUDIES}/import", content=data).status_code == 409
            said = {"Content-Type": "application/json; charset=utf-8"}
            wrong = client.post(f"{STUDIES}/import", content=data, headers=said)
            assert (wrong.status_code, "application/zip" in wrong.text) == (415, True)
            if kind == "grid":
                shown = client.get(f"{STUDIES}/{study_id}/heatmap.json").json()
                assert {c["state"] for c in shown["heatmaps"][0]["cells"]} == {"done", "diverged"}
            else:
                assert len(client.get(f"{STUDIES}/{study_id}/points").json()["items"]) == 3
        assert number


def test_known_trials_are_kept_and_conflicts_told(grid, elsewhere, tmp_path):
    first, study_id = grid
    data = archived(first, study_id, tmp_path / "1")
    with first.read() as session:
        spec = work.repository.load_spec(session, study_id)
    other = Database(elsewhere)
    same = {
        "task": "digits-mlp",
        "optimizers": ["adamw"],
        "learning_rates": [0.001, 0.01],
        "weight_decays": [0],
        "seeds": 2,
        "budget": {"epochs": 2, "batch_size": 64},
    }
    known = work.send(other, same)
    odd = next(key for key, t in spec.keyed.items() if (t.optimizer, t.seed) == ("adamw", 1))
    work.train(other, known, lambda t: 0.5 if t.key == odd else score(t))
    waiting = work.send(other, {**same, "weight_decays": [0.1], "seeds": [0]})
    with installation(elsewhere, tmp_path) as client:
        body = client.post(f"{STUDIES}/import", content=data).json()
        assert body == {
            "study_id": study_id,
            "trials": 16,
            "added": 10,
            "completed": 2,
            "kept": 4,
            "conflicts": [odd],
        }
        kept = client.get(f"/api/v1/trials/{odd}").json()
        assert kept["validation_score"] == 0.5
        assert client.get(f"{STUDIES}/{waiting}").json()["finished"] == 2
    other.close()


@pytest.mark.parametrize("rows", [1, 5])
def test_what_is_trained_while_it_is_imported_keeps_one_of_both_results(
    grid, postgres_url, tmp_path, monkeypatch, rows
):
    monkeypatch.setattr("service.archive.storing.ROWS", rows)
    first, study_id = grid
    file = tmp_path / "1"
    archived(first, study_id, file)
    other = Database(postgres_url)
    with first.read() as session:
        same = work.repository.load_spec(session, study_id)
    with other.write() as session:
        mine = work.creating.create(session, same)
    held = work.lease(other)
    keys = work.to_do(other, mine)
    work.take(other, held, keys)

    def training():
        for key in keys:
            work.record(other, held, results=[work.result(key, 0.25)])

    with ThreadPoolExecutor(1) as pool:
        trained = pool.submit(training)
        done = storing.load(other.address, file, max_trials=100)
        trained.result()
    assert done.kept + done.completed == len(keys)
    assert len(done.conflicts) == done.kept
    curves = {row.trial_key: row.data for row in work.rows(other, CurveRow)}
    for row in work.rows(other, TrialRow):
        if row.state is TrialState.DONE:
            assert unpack(curves[row.key])[-1, 2] == pytest.approx(row.validation_score)
    with other.write() as session:
        assert held.finish(session) is StudyState.DONE
    other.close()


def test_a_study_that_has_not_ended_is_not_archived(client, sent, database):
    study_id = sent()
    answer = client.get(f"{STUDIES}/{study_id}/archive")
    assert answer.status_code == 409
    assert "is queued" in answer.json()["detail"]
    client.post(f"{STUDIES}/{study_id}/cancel")
    assert client.get(f"{STUDIES}/{study_id}/archive").status_code == 200
    assert client.get(f"{STUDIES}/{'f' * 12}/archive").status_code == 404


GRID_ATTACKS = {
    "another version": ("of version 2", {"archive": lambda about: {**about, "version": 2}}),
    "a newer engine": ("training engine", {"archive": lambda about: {**about, "engine": 99}}),
    "a wrong hash": (
        "was changed or damaged",
        {"archive": lambda about: {**about, "files": dict.fromkeys(about["files"], "0" * 64)}},
    ),
    "no hash": ("is made of", {"archive": lambda about: {**about, "files": {}}}),
    "no archive": ("format", {"archive": lambda about: {**about, "format": "other"}}),
    "another seed": ("is not what its key says", {"trials": in_first("seed", 7)}),
    "a score": ("end with other values", {"trials": in_first("test_score", 0.99)}),
    "no score": ("has no score", {"trials": in_first("test_score", None)}),
    "running": ("is running", {"trials": in_first("state", "running")}),
    "no such state": ("state", {"trials": in_first("state", "perfect")}),
    "too few epochs": ("after 1 of 2 epochs", {"trials": in_first("epochs_done", 1)}),
    "damaged curves": (
        "damaged", {"trials": in_first("curves", lambda c: c[:-8] + "AAAA" + c[-4:])}
    ),
    "no curves' bytes": ("base64", {"trials": in_first("curves", "%%%")}),
    "a trial too few": ("are missing", {"trials": lambda data: data.split(b"\n", 1)[1]}),
    "a trial twice": ("twice", {"trials": lambda data: data + data.split(b"\n", 1)[0] + b"\n"}),
    "an unknown field": ("Extra inputs", {
        "trials": lambda data: data.replace(b'{"attempts"', b'{"x":1,"attempts"', 1)}),
    "no JSON": ("not JSON", {"trials": lambda data: b"]" + data}),
    "NaN": ("no number", {"study": in_first("seconds_running", float("nan"))}),
    "a zero": ("zero character", {"study": in_first("note", "a\x00b")}),
    "half a character": ("not JSON", {"study": in_first("note", "\ud800")}),
    "an id with a path": ("id", {"study": in_first("id", "../../../etc")}),
    "a failure for no reason": ("for no reason", {"study": in_first("state", "failed")}),
    "a queued study": ("only what has ended", {"study": in_first("state", "queued")}),
    "an unknown task": ("unknown task", {"study": in_first("spec", lambda s: {**s, "task": "x"})}),
    "a newer task": (
        "version 99 of task", {"study": in_first("spec", lambda s: {**s, "task_version": 99})}
    ),
    "no spec": ("not in the form", {"study": in_first("spec", {})}),
    "a spec with more": ("not in the form", {"study": in_first("spec", lambda s: {**s, "x": 1})}),
    "a rate of nothing": (
        "learning_rates", {"study": in_first("spec", lambda s: {**s, "learning_rates": [0.0]})}
    ),
    "another grid": ("no part of the study", {"study": in_first(
        "spec", lambda s: {**s, "weight_decays": [0.0, 0.2]})}),
    "the time of nowhere": ("created_at", {"study": in_first("created_at", "2025-01-01T00:00:00")}),
}  # fmt: skip


def test_hostile_grids_are_refused_and_nothing_is_written(grid, elsewhere, tmp_path):
    data = archived(*grid, tmp_path / "1")
    other = Database(elsewhere)
    for name, (said, files) in GRID_ATTACKS.items():
        path = tmp_path / "attack"
        path.write_bytes(changed(data, **files))
        with pytest.raises(ArchiveRefusedError) as refused:
            storing.load(elsewhere, path, max_trials=1000)
        assert said in refused.value.detail, (name, refused.value.detail)
    path.write_bytes(data)
    with pytest.raises(ArchiveRefusedError, match="16 trials"):
        check(reading.read(path, max_trials=100), max_trials=15)
    with pytest.raises(ArchiveTooLargeError, match="more than the 3 lines"):
        reading.read(path, max_trials=3)
    for table in (StudyRow, TrialRow, CurveRow):
        assert work.rows(other, table) == []
    other.close()


SEARCH_ATTACKS = {
    "another point's label": ("none of the search", in_first("optimizer", "nobody")),
    "another rate": ("two learning rates", in_first("learning_rate", 0.5)),
    "other parameters": ("other parameters", in_first("parameters", {"learning_rate": 0.1})),
    "too many points": ("more than every optimizer", in_first("number", 3)),
    "a running point": ("has not ended", in_first("state", "running")),
    "no value": ("has no value", in_first("value", None)),
    "damaged scores": ("damaged", in_first("scores", "AAAA")),
    "a point too few": ("is of no point", lambda data: data.split(b"\n", 1)[1]),
}


def test_hostile_searches_are_refused(searched, elsewhere, tmp_path):
    data = archived(*searched, tmp_path / "1")
    for name, (said, change) in SEARCH_ATTACKS.items():
        path = tmp_path / "attack"
        path.write_bytes(changed(data, points=change))
        with pytest.raises(ArchiveRefusedError) as refused:
            storing.load(elsewhere, path, max_trials=1000)
        assert said in refused.value.detail, (name, refused.value.detail)


def test_hostile_files_are_refused_over_rest(grid, elsewhere, tmp_path):
    data = archived(*grid, tmp_path / "1")
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    bomb = {**files, "trials.jsonl": b"[" * 60_000_000}
    attacks = {
        b"": 422,
        b"no zip": 422,
        data[:-40]: 422,
        data[:200] + b"\x00" * 40 + data[240:]: 422,
        zipped({**files, "../../evil": b"x"}): 422,
        zipped({**files, "/etc/passwd": b"x"}): 422,
        zipped({"study.json": files["study.json"]}): 422,
        zipped({**files, "archive.json": b"[" * 5000}): 422,
        zipped(bomb): 413,
    }
    settings = Settings(
        _env_file=None, database_url=elsewhere, data_dir=tmp_path, max_import_bytes=500_000
    )
    with TestClient(create_app(settings)) as client:
        for attack, status in attacks.items():
            answer = client.post(f"{STUDIES}/import", content=attack)
            assert answer.status_code == status, answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"]
        assert client.post(f"{STUDIES}/import", content=b"x" * 500_001).status_code == 413
        assert client.get(STUDIES).json()["items"] == []
        assert client.post(f"{STUDIES}/import", content=data).status_code == 201


def test_a_failed_trial_stays_failed_and_is_tried_again_by_who_asks(grid, elsewhere, tmp_path):
    database, _ = grid
    more = work.send(database, {
        "task": "digits-mlp", "optimizers": ["adamw"], "learning_rates": [0.5],
        "weight_decays": [0], "seeds": 1, "budget": {"epochs": 2, "batch_size": 64},
    })  # fmt: skip
    held = work.lease(database)
    (key,) = work.to_do(database, more)
    work.take(database, held, [key])
    give_up(database, held, {key: "it broke"})
    with database.write() as session:
        assert held.finish(session) is StudyState.FAILED
    path = tmp_path / "failed"
    archived(database, more, path)
    found = storing.load(elsewhere, path, max_trials=10)
    assert (found.added, found.kept) == (1, 0)
    other = Database(elsewhere)
    assert work.states(other, more) == {key: TrialState.FAILED}
    other.close()
