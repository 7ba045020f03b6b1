"""No room on the disk for files that are written on the way: said as such, and nothing changes."""

import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest

from service.app import create_app
from service.db import Database
from service.search.storage_file import export
from service.settings import Settings
from tests.conftest import TestClient
from tests.service import work

STUDIES = "/api/v1/studies"
FULL = Path("/dev/full")
FORMS = ("trials.csv", "trials.parquet", "manifest", "archive")
SEARCH = {
    "mode": "search",
    "task": "digits-mlp",
    "optimizers": ["adamw"],
    "space": {key: {"low": 1e-3, "high": 1e-1} for key in ("learning_rate", "weight_decay")},
    "budget": {"points": 1},
}

pytestmark = pytest.mark.skipif(not FULL.exists(), reason="no device that is always full here")


@pytest.fixture
def trained(sqlite_url, study):
    """The address of a study that is done."""
    database = Database(sqlite_url)
    study_id = work.send(database, study())
    work.train(database, study_id)
    database.close()
    return f"{STUDIES}/{study_id}"


def fill_disk(patch, folder):
    """Have temporary files lie where nothing can be written."""
    (folder / "file").symlink_to(FULL)
    patch.setattr(tempfile, "TemporaryDirectory", lambda **_: nullcontext(folder))
    patch.setattr(tempfile, "NamedTemporaryFile", lambda **_: FULL.open("wb"))


def test_files_without_room_are_said_to_be(sqlite_url, trained, tmp_path, monkeypatch):
    settings = Settings(_env_file=None, database_url=sqlite_url, data_dir=tmp_path)
    with TestClient(create_app(settings)) as client:
        archive = client.get(f"{trained}/archive").content
        searched = f"{STUDIES}/{client.post(STUDIES, json=SEARCH).json()['study']['id']}"
        with monkeypatch.context() as patch:
            fill_disk(patch, tmp_path)
            answers = [client.get(f"{trained}/{form}") for form in FORMS]
            answers.append(client.get(f"{searched}/optuna.db"))
            answers.append(client.post(f"{STUDIES}/import", content=archive))
        for answer in answers:
            assert answer.status_code == 507, answer.text
            assert answer.json()["type"] == "urn:lpwd:problem:disk-full"
            assert "disk that holds temporary files is full" in answer.json()["detail"]
        assert client.get(f"{trained}/archive").content == archive
        assert client.post(f"{STUDIES}/import", content=archive).status_code == 409


def test_a_storage_file_needs_no_room_on_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    assert export([]).startswith(b"SQLite format 3\0")
