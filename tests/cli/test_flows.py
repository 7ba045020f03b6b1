"""Studies, schedules and the catalogue by the command line, against the real application."""

import csv
import json
import os
import re

import pytest
import yaml

from service.client import Client
from service.db.tables.studies import StudyRow
from service.keys import repository as keys
from service.keys.model import Role
from tests.listening import listening
from tests.service import work

AWAY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def there(address, monkeypatch):
    monkeypatch.setenv("LPWD_SERVER", address)


@pytest.fixture
def trained(database, study):
    study_id = work.send(database, study(name="first [bold]one[/bold]"))
    work.train(database, study_id, lambda trial: 0.8 + trial.weight_decay)
    return study_id


def of(said):
    assert said.status == 0, said.err
    return json.loads(said.out)


def test_studies_are_listed_for_people_and_programs(lpwd, trained, address, study):
    with Client(address) as client:
        other = client.submit(study(optimizers=["sgdw"], tags=["paper"])).study.id
    listed = lpwd("study", "list")
    assert listed.status == 0
    assert "first [bold]one[/bold]" in listed.out
    assert "16/16 trials" in listed.out
    assert [one["id"] for one in of(lpwd("study", "list", "--json"))] == [other, trained]
    for narrowed in (["--state", "queued"], ["--tag", "paper"], ["--optimizer", "sgdw"]):
        assert [one["id"] for one in of(lpwd("study", "list", "--json", *narrowed))] == [other]
    cut = lpwd("study", "list", "--limit", "1")
    assert other in cut.out
    assert trained not in cut.out
    assert "--all" in cut.out
    assert trained in lpwd("study", "list", "--limit", "1", "--all").out
    assert "lpwd submit" in lpwd("study", "list", "--tag", "none").out
    refused = lpwd("study", "list", "--state", "asleep")
    assert refused.status == 2
    assert "choose 'queued', 'running'" in refused.err


def test_a_study_is_named_by_the_beginning_of_its_id(lpwd, trained, database):
    assert "16: 16 done" in lpwd("study", "show", trained).out
    assert of(lpwd("study", "show", trained[:4], "--json"))["id"] == trained
    missing = lpwd("study", "show", "zz")
    assert missing.status == 2
    assert "no study's id begins with 'zz'" in missing.err
    with database.write() as session:
        row = session.get(StudyRow, trained)
        for end in ("1", "2"):
            session.add(
                StudyRow(
                    id=f"aaaaaaaaaaa{end}",
                    name=f"twin {end}",
                    task=row.task,
                    spec=row.spec,
                    state=row.state,
                    reused=0,
                    created_at=row.created_at,
                    finished_at=row.finished_at,
                )
            )
    several = lpwd("study", "show", "aaaa")
    assert several.status == 2
    assert "2 studies begin with 'aaaa'" in several.err
    assert "twin 1" in several.err


def test_what_is_said_of_a_study_is_changed(lpwd, trained):
    assert "Figures" in lpwd("study", "rename", trained, "Figures").out
    assert "fig-3, paper" in lpwd("study", "tag", trained, "paper", "fig-3").out
    assert "paper" in lpwd("study", "tag", trained, "fig-3", "--remove").out
    assert lpwd("study", "note", trained).out == "no note\n"
    assert lpwd("study", "note", trained, "-", stdin="two\nlines\n").status == 0
    assert lpwd("study", "note", trained).out == "two\nlines\n"
    assert of(lpwd("study", "priority", trained, "7", "--json"))["priority"] == 7
    assert lpwd("study", "limit", trained, "--running", "60").status == 0
    limits = of(lpwd("study", "limit", trained, "--training", "7200", "--json"))["limits"]
    assert limits == {"running_seconds": 60, "training_seconds": 7200}
    limits = of(lpwd("study", "limit", trained, "--running", "0", "--json"))["limits"]
    assert limits == {"running_seconds": None, "training_seconds": 7200}
    assert lpwd("study", "limit", trained).status == 2
    shown = lpwd("study", "show", trained).out
    assert "of 2 h of training" in shown or "of 120 min of training" in shown
    for said in ("Figures", "paper", "two", "lines", "7"):
        assert said in shown
    assert lpwd("study", "priority", trained, "500").status == 2
    assert "a string of the form" in lpwd("study", "tag", trained, "Not A Tag").err


def test_trials_and_one_of_them(lpwd, trained):
    assert "--all" in lpwd("study", "trials", trained, "--limit", "3").out
    trials = of(lpwd("study", "trials", trained, "--all", "--json"))
    assert len(trials) == 16
    narrowed = ["--optimizer", "adamw", "--lr", "0.01", "--wd", "0.1", "--wd", "0", "--seed", "1"]
    found = of(lpwd("study", "trials", trained, *narrowed, "--json"))
    assert [(one["learning_rate"], one["seed"]) for one in found] == [(0.01, 1)] * 2
    shown = lpwd("trial", "show", trials[0]["key"])
    assert f"{trained} (first [bold]one[/bold])" in shown.out
    assert re.search(r"^again: lpwd trial run '\{.*\}'$", shown.out, flags=re.M)
    assert "test score" in shown.out
    assert "validation loss" in shown.out
    assert of(lpwd("trial", "show", trials[0]["key"], "--json"))["curves"]["test_score"]
    assert lpwd("trial", "show", "nothing").status == 2


def test_results_as_table_and_files(lpwd, trained, tmp_path):
    assert "Adam + LPWD" in lpwd("study", "robustness", trained).out
    rows = of(lpwd("study", "robustness", trained, "--json", "--split", "validation"))
    assert [row["optimizer"] for row in rows] == ["adamw", "adam-lpwd"]
    target = tmp_path / "map.csv"
    assert f"wrote {target}" in lpwd("study", "export", trained[:5], "-o", target).out
    with target.open() as file:
        assert len(list(csv.DictReader(file))) == 8
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        assert lpwd("study", "export", trained, "--format", "json").status == 0
    finally:
        os.chdir(here)
    assert json.loads((tmp_path / f"study-{trained}.json").read_text())["metric"]
    for wrong in (["-o", tmp_path / "map.bmp"], [], ["-o", tmp_path / "nowhere/map.csv"]):
        assert lpwd("study", "export", trained, *wrong).status == 2
    assert lpwd("study", "export", trained, "-o", target, "--theme", "blue").status == 2


def test_a_study_is_extended_cloned_and_sent_again(lpwd, trained, tmp_path):
    planned = lpwd("study", "extend", trained, "--seeds", "3", "--dry-run")
    assert "24 trials: 16 known already, 8 to train" in planned.out
    extended = lpwd("study", "extend", trained, "--seeds", "3", "--wd", "0.3", "--lr", "0.1")
    assert "38 new trials" in extended.out
    assert "is queued" in extended.out
    again = lpwd("study", "extend", trained, "--seeds", "3")
    assert again.status == 2
    assert "nothing of this is new" in again.err
    for wrong in ([], ["--seeds", "many"], ["--lr", "fast"]):
        assert lpwd("study", "extend", trained, *wrong).status == 2
    longer = "budget: {epochs: 4}\n"
    assert "54 trials: 0 known" in lpwd("study", "clone", trained, "-", "-n", stdin=longer).out
    cloned = of(lpwd("study", "clone", trained, "--name", "twin", "--json"))
    assert cloned["study"]["name"] == "twin"
    request = tmp_path / "study.json"
    request.write_text(lpwd("study", "request", trained).out)
    assert "54 trials" in lpwd("submit", request, "--dry-run").out


def test_a_study_is_cancelled_tried_again_and_deleted(lpwd, database, study):
    study_id = work.send(database, study())
    assert lpwd("study", "retry", study_id).status == 2
    assert f"study {study_id}: cancelled" in lpwd("cancel", study_id[:6]).out
    assert "is queued" in lpwd("study", "retry", study_id).out
    assert of(lpwd("study", "cancel", study_id, "--json"))["state"] == "cancelled"
    refused = lpwd("study", "delete", study_id, stdin="n\n")
    assert refused.status == 1
    assert "nothing was changed" in refused.err
    assert lpwd("study", "delete", study_id).status == 1  # nobody to ask
    assert "is deleted" in lpwd("study", "delete", study_id, stdin="y\n").out
    assert "there is no study" in lpwd("study", "show", study_id).err


def test_submitting_once_with_a_key_and_as_json(lpwd, study, tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study()))
    made = [of(lpwd("submit", file, "--idempotency-key", "k", "--json")) for _ in range(2)]
    assert made[0]["study"]["id"] == made[1]["study"]["id"]
    assert of(lpwd("submit", file, "--dry-run", "--json"))["missing"] == 16


def test_watching_what_has_ended_shows_its_results(lpwd, trained, database, study):
    watched = lpwd("watch", trained)
    assert watched.status == 0
    assert watched.out.startswith("done, 16/16 trials, 100 %\n")
    assert "AdamW" in watched.out
    (line,) = lpwd("watch", trained, "--json").out.splitlines()
    assert json.loads(line)["state"] == "done"
    cancelled = work.send(database, study(seeds=3))
    lpwd("cancel", cancelled)
    ended = lpwd("watch", cancelled)
    assert ended.status == 1
    assert f"study {cancelled} is cancelled" in ended.err


def test_interrupting_a_watch_says_that_the_study_goes_on(lpwd, database, study, monkeypatch):
    study_id = work.send(database, study())
    watch = Client.watch

    def interrupted(self, *arguments, **options):
        yield next(watch(self, *arguments, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "watch", interrupted)
    done = lpwd("watch", study_id)
    assert done.status == 130
    assert f"the study goes on: lpwd watch {study_id}, or lpwd cancel {study_id}" in done.err


def test_the_catalogue(lpwd):
    assert "adam-lpwd" in lpwd("optimizers").out
    assert "beta1" in lpwd("optimizers", "show", "adam-lpwd").out
    assert "did you mean 'adam-lpwd'" in lpwd("optimizers", "show", "adam-lpw").err
    assert "digits-mlp" in lpwd("tasks").out
    assert "guessing scores 0.1" in lpwd("tasks", "show", "digits-mlp").out
    for words in (["optimizers"], ["tasks"], ["presets"], ["tasks", "show", "digits-mlp"]):
        assert of(lpwd(*words, "--json"))


def test_optimizers_are_compared(lpwd, trained, tmp_path):
    compared = lpwd("study", "compare", trained, "--reference", "adam-lpwd")
    assert "against Adam + LPWD" in compared.out
    assert "AdamW" in compared.out
    assert of(lpwd("study", "compare", trained, "--json"))["optimizers"][0]["cells"]
    target = tmp_path / "trials.csv"
    assert lpwd("study", "export", trained, "-o", target, "--what", "trials").status == 0
    assert len(target.read_text().splitlines()) == 17


def test_studies_are_compared(lpwd, trained, database, study, tmp_path):
    other = work.send(database, study(seeds=3, name="other"))
    work.train(database, other)
    figure = tmp_path / "figure.svg"
    compared = lpwd("study", "compare", trained[:6], other, "-o", figure)
    assert compared.status == 0, compared.err
    assert "not the same: seeds: " in compared.out
    assert "AdamW" in compared.out
    assert "<svg" in figure.read_text()
    assert of(lpwd("study", "compare", trained, other, "--json"))["comparison"]
    assert lpwd("study", "compare", trained, other, "--reference", "adamw").status == 2
    assert lpwd("study", "compare", trained, other, "-o", tmp_path / "x.bmp").status == 2
    within = tmp_path / "within.png"
    assert lpwd("study", "compare", trained, "--output", within).status == 0
    assert within.stat().st_size > 1000


def test_reports_and_manifests(lpwd, trained, tmp_path):
    for form in ("html", "md", "tex"):
        file = tmp_path / f"report.{form}"
        assert f"wrote {file}" in lpwd("study", "report", trained, "-o", file).out
        assert "AdamW" in file.read_text()
    wrong = lpwd("study", "report", trained, "-o", tmp_path / "report.doc")
    assert wrong.status == 2
    assert "html, md, tex" in wrong.err
    assert of(lpwd("study", "manifest", trained))


def test_a_webhook_from_creation_to_deletion(lpwd, monkeypatch):
    assert "lpwd webhook create" in lpwd("webhook", "list").out
    refused = lpwd("webhook", "create", "http://127.0.0.1/x")
    assert refused.status == 2
    made = of(lpwd("webhook", "create", "https://example.org/lpwd", "--json"))
    assert "example.org" in lpwd("webhook", "list").out
    assert "off" in lpwd("webhook", "change", made["id"], "--off").out
    assert of(lpwd("webhook", "change", made["id"], "--on", "--json"))["enabled"]
    rotated = lpwd("webhook", "rotate", made["id"])
    assert rotated.out.strip()
    assert rotated.out.strip() != made["secret"]
    assert "not shown again" in rotated.err
    assert "on its way" in lpwd("webhook", "test", made["id"]).out
    (sent,) = of(lpwd("webhook", "deliveries", made["id"], "--json"))
    assert sent["id"] in lpwd("webhook", "show", made["id"]).out
    assert "is deleted" in lpwd("webhook", "delete", made["id"], "--yes").out


def test_a_study_goes_into_a_file_and_back(lpwd, trained, tmp_path):
    file = tmp_path / "study.lpwd.zip"
    assert f"wrote {file}" in lpwd("study", "archive", trained, "-o", file).out
    assert "is here already" in lpwd("study", "import", file).err
    lpwd("study", "delete", trained, "--yes")
    assert "16 kept" in lpwd("study", "import", file).out
    assert lpwd("study", "show", trained).status == 0
    assert lpwd("study", "import", tmp_path / "none").status == 2


def test_the_queue_and_who_works_through_it(lpwd, database, study):
    assert "lpwd submit" in lpwd("queue").out
    study_id = work.send(database, study())
    assert study_id in lpwd("queue").out
    assert of(lpwd("queue", "--json"))["waiting"][0]["study_id"] == study_id
    for words in ("runners", "devices"):
        assert "lpwd runner" in lpwd(words).out
        assert of(lpwd(words, "--json")) == []


def test_a_schedule_from_creation_to_deletion(lpwd):
    assert "lpwd schedule create" in lpwd("schedule", "list").out
    make = ["schedule", "create", "nightly", "--preset", "nightly", "--cron"]
    wrong = lpwd(*make, "at night")
    assert wrong.status == 2
    assert "five fields are wanted" in wrong.err
    made = of(lpwd(*make, "30 2 * * *", "--timezone", "Europe/Berlin", "--json"))
    assert "Europe/Berlin" in lpwd("schedule", "list").out
    assert "off" in lpwd("schedule", "change", made["id"], "--off").out
    assert of(lpwd("schedule", "change", made["id"], "--on", "--json"))["enabled"]
    assert lpwd("schedule", "change", made["id"]).status == 2
    sent = lpwd("schedule", "run", made["id"])
    assert "/studies/" in sent.out
    assert "hand" in lpwd("schedule", "show", made["id"]).out
    assert len(of(lpwd("schedule", "firings", made["id"], "--json"))) == 1
    assert "is done yet" in lpwd("schedule", "trend", made["id"]).out
    assert lpwd("schedule", "delete", made["id"]).status == 1
    assert "is deleted" in lpwd("schedule", "delete", made["id"], "--yes").out


def test_a_service_that_is_away_has_a_status_of_its_own(lpwd):
    done = lpwd("study", "list", "--server", AWAY)
    assert done.status == 3
    assert "lpwd serve" in done.err
    assert "Traceback" not in done.err


def test_the_address_and_the_key_are_checked(lpwd, tmp_path):
    assert "is no address" in lpwd("study", "list", "--server", "nonsense").err
    key = tmp_path / "key"
    assert "cannot be read" in lpwd("study", "list", "--api-key-file", key).err
    key.write_text("\n")
    assert "is empty" in lpwd("study", "list", "--api-key-file", key).err
    key.write_text("not a key\n")
    refused = lpwd("study", "list", "--api-key-file", key)
    assert refused.status == 2
    assert "not a key" not in refused.err


def test_a_key_is_taken_from_a_file_or_the_environment(
    lpwd, database, settings, tmp_path, monkeypatch
):
    with database.write() as session:
        made = keys.create(session, name="ann", role=Role.READER, expires_at=None)
    file = tmp_path / "key"
    file.write_text(f"{made.token}\n")
    with listening(settings.model_copy(update={"access": "keys"})) as address:
        monkeypatch.setenv("LPWD_SERVER", address)
        needed = lpwd("study", "list")
        assert needed.status == 4
        assert "key" in needed.err
        assert lpwd("study", "list", "--api-key-file", file).status == 0
        file.write_text("lpwd_000000000000_" + "0" * 64)
        assert lpwd("study", "list", "--api-key-file", file).status == 4
        monkeypatch.setenv("LPWD_API_KEY", made.token)
        assert lpwd("study", "list").status == 0
        forbidden = lpwd("submit", "--preset", "nightly")
        assert forbidden.status == 4
        assert "submitter" in forbidden.err
        assert made.token not in forbidden.err
