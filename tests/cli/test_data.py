"""`lpwd data`, as a newcomer meets it."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.cli.endings import Status, status_of
from service.cli.processes import share_datasets
from service.settings import Settings, settings
from tests.cli.test_commands import lpwd
from tests.workers.data.test_fetch import serving
from tests.workers.tiny_data import pack, small
from workers import data


def rows(output):
    """Lines of a table by their first word."""
    return {line.split()[0]: line.split() for line in output.splitlines() if line.split()}


def test_the_list_says_what_there_is_and_what_is_here(tmp_path):
    done = lpwd("data", "list", env={data.FOLDER: str(tmp_path)})
    found = rows(done.stdout)
    assert set(data.names()) <= set(found)
    assert found["digits"][1:4] == ["yes", "in", "scikit-learn"]
    assert found["cifar10"][1:] == ["no", "170", "MB", "none", "stated"]
    assert str(tmp_path) in done.stdout
    done = lpwd("data", "list", "--json", env={data.FOLDER: str(tmp_path)})
    listed = {one["name"]: one for one in json.loads(done.stdout)}
    assert set(listed) == set(data.names())
    assert (listed["digits"]["here"], listed["cifar10"]["here"]) == (True, False)


@pytest.mark.parametrize(
    ("said", "meant"), [("/srv/data", "/srv/data"), ("~/x", f"{Path.home()}/x")]
)
def test_the_folder_can_be_chosen(said, meant):
    assert lpwd("data", "path", env={data.FOLDER: said}).stdout == f"{meant}\n"


def test_a_folder_from_an_env_file_reaches_the_workers(tmp_path, monkeypatch):
    monkeypatch.delenv(data.FOLDER, raising=False)
    (tmp_path / ".env").write_text(f"{data.FOLDER}={tmp_path}/sets\n")
    monkeypatch.chdir(tmp_path)
    here = Settings()
    monkeypatch.setenv(data.FOLDER, "")  # so that what is set next is undone
    share_datasets(here)
    assert data.folder() == tmp_path / "sets"


def test_fetching_needs_a_known_name_and_a_way(tmp_path):
    env = {data.FOLDER: str(tmp_path)}
    done = lpwd("data", "fetch", "cifar", env=env)
    assert done.returncode == 1
    assert done.stderr.startswith("lpwd: unknown data set 'cifar'; did you mean 'cifar10'")
    done = lpwd("data", "fetch", "cifar10", "--mirror", "http://127.0.0.1:9", env=env)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("lpwd: cannot fetch http://127.0.0.1:9/cifar10/cifar-10-python.tar.gz (")
    assert str(tmp_path / "cifar10") in line


def test_a_task_of_a_package_that_needs_unknown_data_is_said_so_before_anything_runs(tmp_path):
    information = tmp_path / "hungry-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: hungry\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[lpwd.tasks]\nmine = hungry:TASK\n")
    (tmp_path / "hungry.py").write_text(
        "from dataclasses import replace\nfrom workers.tasks.built_in import BUILT_IN\n"
        "TASK = replace(BUILT_IN[0], name='hungry', datasets=('soup',))\n"
    )
    path = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    done = lpwd("serve", "--port", "0", env={"PYTHONPATH": path, "LPWD_DATA_DIR": str(tmp_path)})
    assert done.returncode == 1
    assert "task 'hungry' needs an unknown data set 'soup'" in done.stderr


@pytest.fixture
def tiny_mnist(tmp_path, monkeypatch):
    """Have the catalogue's MNIST be a small one that lies on a mirror; yields its address."""
    monkeypatch.setenv(data.FOLDER, str(tmp_path / "here"))
    settings.cache_clear()
    with serving(tmp_path / "mirror") as mirror:
        pack("mnist", mirror.folder)
        monkeypatch.setitem(data._registry._items, "mnist", small("mnist", mirror.folder))
        yield mirror.url
    settings.cache_clear()


def test_what_is_fetched_is_here(tiny_mnist):
    run = CliRunner().invoke
    done = run(app, ["data", "fetch", "digits", "mnist", "--mirror", tiny_mnist])
    assert done.exit_code == 0, done.output
    assert "digits was here already" in done.output
    assert "train-images-idx3-ubyte.gz" in done.output
    assert "mnist is here" in done.output
    assert rows(run(app, ["data", "list"]).output)["mnist"][1] == "yes"
    assert "was here already" in run(app, ["data", "fetch", "mnist"]).output


def test_its_errors_are_anticipated(tiny_mnist):
    done = CliRunner().invoke(app, ["data", "fetch", "mnist", "--mirror", "nowhere"])
    assert status_of(done.exception) is Status.FAILED
