"""The command line, as a newcomer meets it."""

import os
import re
import subprocess
import sys

import pytest
import yaml

from service import presets
from service.study_file import StudyFileError, parse
from tests.live import ONE_WORKER, PATIENCE, serving


def lpwd(*arguments, env=None, stdin=None):
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        env={**os.environ, "COLUMNS": "100", **(env or {})},
        timeout=PATIENCE,
    )


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("cli"), **ONE_WORKER) as live:
        yield live


def test_submit_and_watch_end_with_the_table(live, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(
        "task: digits-mlp\noptimizers: [adamw, adam-lpwd]\nlearning_rates: [1e-2]\n"
        "weight_decays: [0, 1e-1]\nseeds: 2\nbudget: {epochs: 3}\n"
    )
    planned = lpwd("submit", str(file), "--dry-run", "--server", live.url)
    assert planned.returncode == 0, planned.stderr
    assert "8 trials: 0 known already, 8 to train" in planned.stdout
    done = lpwd("submit", str(file), "--watch", "--server", live.url)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^queued, 0/8 trials, 0 %$", done.stdout, flags=re.M)
    assert re.search(r"^done, 8/8 trials, 100 %$", done.stdout, flags=re.M)
    assert "Adam + LPWD" in done.stdout
    again = lpwd("submit", "-", "--server", live.url, stdin=file.read_text())
    assert "8 trials: 8 known already, 0 to train" in again.stdout


def test_presets_are_listed_shown_and_sent(live, tmp_path):
    listed = lpwd("presets").stdout
    assert all(name in listed for name in presets.names())
    file = tmp_path / "nightly.yaml"
    file.write_text(lpwd("presets", "show", "nightly").stdout)
    for chosen in (["--preset", "nightly"], [str(file)]):
        done = lpwd("submit", *chosen, "--dry-run", "--server", live.url)
        assert done.returncode == 0, done.stderr
        assert f"{presets.get('nightly').trials} trials" in done.stdout


@pytest.mark.parametrize("wanted", [[], ["study.yaml", "--preset", "demo"]])
def test_submit_wants_one_study(wanted):
    done = lpwd("submit", *wanted)
    assert done.returncode == 2
    assert "lpwd presets lists them" in done.stderr


@pytest.mark.parametrize("command", [["presets", "show"], ["submit", "--preset"]])
def test_an_unknown_preset_is_said_so(command):
    done = lpwd(*command, "demmo")
    assert done.returncode == 2
    assert "there is no preset 'demmo'; there are: demo" in done.stderr


def test_a_search_ends_with_the_table_of_best_points(live, tmp_path):
    file = tmp_path / "search.yaml"
    file.write_text(
        "mode: search\ntask: digits-mlp\noptimizers: [adamw]\nseeds: 1\n"
        "space: {optimizers: {adamw: {beta1: {low: 0.8, high: 0.95}}}}\n"
        "budget: {epochs: 3, points: 4}\n"
    )
    planned = lpwd("submit", str(file), "--dry-run", "--server", live.url)
    assert "up to 4 points, 4 trials, 12 epochs in all" in planned.stdout, planned.stderr
    done = lpwd("submit", str(file), "--watch", "--server", live.url)
    assert done.returncode == 0, done.stderr
    assert "4/4 points" in done.stdout
    assert "best points by validation accuracy in %, 1 seed" in done.stdout
    assert "AdamW" in done.stdout
    assert "beta1 0." in done.stdout


def test_cancelling_a_study_ends_its_watching(live):
    study = yaml.safe_dump(
        {
            "task": "digits-mlp",
            "optimizers": ["adamw"],
            "learning_rates": [0.01],
            "weight_decays": [0.1],
            "seeds": 1,
            "budget": {"epochs": 10_000},
        }
    )
    with live.client() as client:
        created = client.submit(parse(study, origin="test")).study
    assert "cancelled" in lpwd("cancel", created.id, "--server", live.url).stdout
    watched = lpwd("watch", created.id, "--server", live.url)
    assert watched.returncode == 1
    assert "is cancelled" in watched.stderr


def test_a_refused_study_names_the_field(live, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(
        "task: digit-mlp\noptimizers: [adamw]\nlearning_rates: [1]\nweight_decays: [0]\n"
    )
    done = lpwd("submit", str(file), "--server", live.url)
    assert done.returncode == 2
    assert "did you mean 'digits-mlp'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_study_is_said_so(live):
    done = lpwd("watch", "abcdefabcdef", "--server", live.url)
    assert done.returncode == 2
    assert "there is no study 'abcdefabcdef'" in done.stderr


def test_no_service_is_said_so_with_the_way_out(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("task: digits-mlp\n")
    done = lpwd("submit", str(file), "--server", "http://127.0.0.1:9")
    assert done.returncode == 3
    assert "lpwd serve" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_said_so(live, tmp_path):
    done = lpwd("serve", "--port", str(live.port), "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert f"port {live.port}" in done.stderr
    assert "--port" in done.stderr


def test_open_to_the_world_is_refused(tmp_path):
    env = {"LPWD_ACCESS": "open"}
    done = lpwd("serve", "--host", "0.0.0.0", "--port", "0", "--data-dir", str(tmp_path), env=env)
    assert done.returncode == 1
    assert "LPWD_ALLOW_REMOTE" in done.stderr


def test_outdated_tables_are_said_so_and_db_upgrade_makes_them(tmp_path):
    env = {"LPWD_DATA_DIR": str(tmp_path)}
    done = lpwd("api", "--port", "0", env=env)
    assert done.returncode == 1
    assert "lpwd db upgrade" in done.stderr
    assert "applied 0001" in lpwd("db", "upgrade", env=env).stdout
    assert "it is current" in lpwd("db", "upgrade", env=env).stdout


def test_a_wrong_database_url_is_said_so():
    done = lpwd("serve", "--port", "0", env={"LPWD_DATABASE_URL": "nonsense"})
    assert done.returncode == 1
    assert "LPWD_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_plugin_is_said_so_before_anything_runs(tmp_path):
    information = tmp_path / "sour_grapes-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: sour-grapes\nVersion: 1.0\n"
    )
    (information / "entry_points.txt").write_text("[lpwd.tasks]\nmine = no_such_module:TASK\n")
    env = {"PYTHONPATH": str(tmp_path), "LPWD_DATA_DIR": str(tmp_path)}
    done = lpwd("serve", "--port", "0", env=env)
    assert done.returncode == 1
    assert "the package sour-grapes offers lpwd.tasks" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), ("1E3", 1e3), ("-2e-4", -2e-4), ("1.5e-2", 1.5e-2), ("3", 3), ("0.1", 0.1)],
)
def test_numbers_in_yaml_are_numbers(text, value):
    assert parse(f"x: {text}", origin="test")["x"] == value


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LPWD_PORT", "99999"),
        ("LPWD_PORT", "abc"),
        ("LPWD_PACK_SIZE", "0"),
        ("LPWD_WORKER_DEVICE", "tpu"),
        ("LPWD_DATABASE_URL", "mysql://nobody@nowhere/nothing"),
    ],
)
def test_a_setting_that_cannot_be_is_named(tmp_path, variable, value):
    done = lpwd("api", env={"LPWD_DATA_DIR": str(tmp_path), variable: value})
    assert done.returncode == 1
    assert variable in done.stderr
    assert "Traceback" not in done.stderr


def test_an_option_that_cannot_be_is_named(tmp_path):
    done = lpwd("serve", "--port", "-1", "--data-dir", str(tmp_path))
    assert done.returncode == 1
    assert "LPWD_PORT is -1" in done.stderr


def test_a_file_that_is_no_database_is_said_so(tmp_path):
    (tmp_path / "lpwd.db").write_text("dear diary, " * 100)
    for command in (("serve", "--port", "0"), ("db", "upgrade")):
        done = lpwd(*command, env={"LPWD_DATA_DIR": str(tmp_path)})
        assert done.returncode == 1
        assert "the database cannot be opened" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_client_looks_where_the_service_listens(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("task: digits-mlp\n")
    done = lpwd("submit", str(file), env={"LPWD_PORT": "9"})
    assert "http://127.0.0.1:9" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "just words",
        "{a: [",
        "x: !!python/name:os.system",
        "x: .nan",
        "x: .inf",
        "x: 2026-01-01",
        "x: !!set {a, b}",
        "x: &x [*x]",
        'x: "\\ud800"',
    ],
)
def test_what_is_no_study_is_refused_by_the_files_name(text):
    with pytest.raises(StudyFileError, match=r"study\.yaml"):
        parse(text, origin="study.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeds: 2\ntask: digits-mlp\nseeds: 3", "'seeds' stands twice .* line 1 and in line 3"),
        ('{"a": {"b": 1, "b": 2}}', "'b' stands twice"),
    ],
)
def test_a_key_that_stands_twice_in_a_file_is_refused_by_its_name(text, said):
    with pytest.raises(StudyFileError, match=said):
        parse(text, origin="study.yaml")


def test_files_may_share_what_they_repeat():
    text = "a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: {<<: *a, y: 3}\nd: *a"
    found = parse(text, origin="study.yaml")
    assert found == {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 1, "y": 3}, "d": {"x": 1}}


def test_the_demo_is_what_the_readme_says():
    demo = presets.get("demo").study
    assert demo["optimizers"] == ["adamw", "adam-l2", "adam-rwd", "adam-pwd", "adam-lpwd"]
    assert 0 in demo["weight_decays"]
    assert max(demo["weight_decays"]) >= 0.5
    axes = ("optimizers", "learning_rates", "weight_decays")
    count = demo["seeds"]
    for axis in axes:
        count *= len(demo[axis])
    assert count == 525
