"""The client against the real application."""

import csv
import sqlite3
import threading
import time

import pytest

from service.client import ChangedMeanwhile, Client, Conflict, InvalidRequest, NotFound
from service.studies import repository
from service.studies.model import StudyState
from service.trials.model import TrialState
from tests.service import work

SEARCH = {
    "mode": "search",
    "task": "digits-mlp",
    "optimizers": ["adamw"],
    "seeds": 1,
    "budget": {"points": 3, "epochs": 2},
}


@pytest.fixture
def trained(database, study):
    """A study with results."""
    study_id = work.send(database, study())
    work.train(database, study_id, lambda trial: 0.8 + trial.weight_decay)
    return study_id


def test_a_study_from_plan_to_deletion(talking, study):
    planned = talking.plan(study())
    assert (planned.trials, planned.missing) == (16, 16)
    assert list(talking.studies()) == []
    created = talking.submit(study(name="mine"))
    assert created.study.name == "mine"
    assert talking.study(created.study.id) == created.study
    assert talking.page(created.study.id).endswith(f"/studies/{created.study.id}")
    with pytest.raises(Conflict, match="cancel it before you delete it"):
        talking.delete_study(created.study.id)
    assert talking.cancel(created.study.id).state is StudyState.CANCELLED
    assert talking.cancel(created.study.id).state is StudyState.CANCELLED
    talking.delete_study(created.study.id)
    with pytest.raises(NotFound, match="there is no study"):
        talking.study(created.study.id)


def test_what_is_wrong_is_told_by_the_field(talking, study):
    with pytest.raises(InvalidRequest) as caught:
        talking.submit(study(learning_rates=0.1, colour="red"))
    said = {one.field: one.detail for one in caught.value.errors}
    assert said["learning_rates"] == "a list is wanted (got 0.1)"
    assert "there is no field 'colour'" in said["colour"]


def test_one_key_creates_one_study(talking, study):
    created = [talking.submit(study(), idempotency_key="mine").study.id for _ in range(2)]
    assert len(set(created)) == 1
    assert len(list(talking.studies())) == 1
    talking.submit(study())
    talking.submit(study())
    assert len(list(talking.studies())) == 3


def test_lists_go_on_over_pages_and_are_filtered(talking, database, study):
    sent = [work.send(database, study(name=f"study {n}")) for n in range(5)]
    for study_id in sent[:2]:
        talking.cancel(study_id)
    assert [one.id for one in talking.studies(limit=2)] == sent[::-1]
    assert {one.id for one in talking.studies(state="cancelled", limit=1)} == set(sent[:2])
    with pytest.raises(InvalidRequest, match="choose 'queued'"):
        list(talking.studies(state="asleep"))


def test_trials_have_their_curves(talking, trained):
    trials = list(talking.trials(trained, limit=3))
    assert len(trials) == 16
    assert {one.state for one in trials} == {TrialState.DONE}
    assert list(talking.trials(trained, state="failed")) == []
    some = talking.trials(trained, optimizer="adamw", learning_rate=0.01, weight_decay=[0, 0.1])
    assert len(list(some)) == 4
    assert len(list(talking.trials(trained, seed=1, state=["done", "failed"]))) == 8
    trial = talking.trial(trials[0].key)
    assert [one.id for one in trial.studies] == [trained]
    assert len(trial.curves["test_score"]) == trial.epochs_done
    with pytest.raises(NotFound, match="there is no trial"):
        talking.trial("nothing")


def test_results_are_read_and_saved(talking, trained, tmp_path):
    results = talking.results(trained)
    assert results.metric.split == "test"
    assert results.heatmaps[0].cells[0.001, 0.1].scores == pytest.approx((0.89, 0.89))
    rows = talking.robustness(trained, split="validation", tolerance=0.005)
    assert [row.optimizer for row in rows] == ["adamw", "adam-lpwd"]
    assert [one.optimizer for one in talking.curves(trained)] == ["adamw", "adam-lpwd"]
    compared = talking.comparison(trained, reference="adam-lpwd")
    assert compared.optimizers[0].cells[0.001, 0.1].difference == 0
    with (talking.export(trained, tmp_path / "map.csv")).open() as file:
        assert len(list(csv.DictReader(file))) == 2 * 2 * 2
    dark = talking.export(trained, tmp_path / "dark", "svg", theme="dark").read_text()
    assert "<svg" in dark
    trials = talking.export(trained, tmp_path / "trials.csv", what="trials").read_text()
    assert len(trials.splitlines()) == 1 + 16
    difference = talking.export(trained, tmp_path / "d.vl.json", what="difference").read_text()
    assert "$schema" in difference
    small = talking.export(trained, tmp_path / "small.png", scale=0.5).stat().st_size
    assert small < talking.export(trained, tmp_path / "large.png", scale=2).stat().st_size


def test_a_study_goes_into_a_file_and_back(talking, trained, tmp_path):
    file = talking.archive(trained, tmp_path / "study.lpwd.zip")
    with pytest.raises(Conflict):
        talking.import_study(file)
    talking.delete_study(trained)
    assert talking.import_study(file).study_id == trained
    assert talking.study(trained).finished == 16


def test_a_search_has_points_and_a_storage(talking, database, tmp_path):
    study_id = talking.submit(SEARCH).study.id
    assert talking.search(study_id).optimizers[0].entry == "adamw"
    assert list(talking.points(study_id)) == []
    with pytest.raises(NotFound):
        talking.point(study_id, "adamw", 0)
    with pytest.raises(Conflict, match="which has no map"):
        talking.results(study_id)
    stored = talking.optuna_storage(study_id, tmp_path / "optuna.db")
    with sqlite3.connect(stored) as opened:
        assert opened.execute("SELECT study_name FROM studies").fetchall() == [("adamw",)]
    opened.close()


def test_the_catalogue(talking):
    optimizers = {one.name: one for one in talking.optimizers()}
    assert talking.optimizer("adam-lpwd") == optimizers["adam-lpwd"]
    assert "beta1" in optimizers["adamw"].hyperparameters["properties"]
    assert talking.task("digits-mlp") in talking.tasks()
    assert {one.name for one in talking.datasets()} >= set(talking.task("mnist1d-mlp").datasets)
    preset = talking.preset("demo")
    assert preset in talking.presets()
    assert talking.plan(preset.study).trials == preset.trials
    with pytest.raises(NotFound, match="did you mean"):
        talking.optimizer("adam-lpw")


def test_a_schedule_from_creation_to_deletion(talking, study):
    made = talking.create_schedule("nightly", "30 2 * * *", study(), timezone="Europe/Berlin")
    assert talking.schedules() == [made]
    assert talking.schedule(made.id) == made
    changed = talking.change_schedule(made.id, cron="0 3 * * *", enabled=False)
    assert (changed.cron, changed.enabled, changed.next_at) == ("0 3 * * *", False, None)
    fired = talking.run_schedule(made.id)
    assert talking.study(fired.study_id).state is StudyState.QUEUED
    assert talking.firings(made.id, limit=5) == [fired]
    assert talking.trend(made.id, split="validation", limit=5) == []
    talking.delete_schedule(made.id)
    assert talking.schedules() == []


def test_the_queue_and_who_works_through_it(talking, study):
    sent = [talking.submit(study(priority=n)).study.id for n in range(3)]
    queue = talking.queue(limit=2)
    assert [one.study_id for one in queue.waiting] == sent[:0:-1]
    assert queue.waiting_count == 3
    assert talking.runners() == talking.devices() == []


def test_a_study_is_changed_extended_and_cloned(talking, trained):
    changed = talking.change_study(trained, name="new", note="why", priority=3, tags=["a"])
    assert (changed.name, changed.note, changed.priority, changed.tags) == ("new", "why", 3, ("a",))
    assert talking.add_tag(trained, "b").tags == ("a", "b")
    assert talking.remove_tag(trained, "a").tags == ("b",)
    with pytest.raises(ChangedMeanwhile):
        talking.change_study(trained, name="late", if_match='"old"')
    assert talking.plan_extension(trained, seeds=3).missing == 8
    assert talking.extend(trained, seeds=3).added == 8
    with pytest.raises(Conflict):
        talking.extend(trained, seeds=3)
    talking.cancel(trained)
    assert talking.retry(trained).state is StudyState.QUEUED
    assert talking.plan_clone(trained, {"budget": {"epochs": 4}}).known == 0
    cloned = talking.clone(trained, {"name": "twin"}, idempotency_key="k")
    assert cloned.study.id == talking.clone(trained, {"name": "twin"}, idempotency_key="k").study.id
    assert talking.plan(talking.request(trained)).trials == 24
    assert [one.id for one in talking.studies(tag="b", text="NEW", order="name")] == [trained]
    talking.delete_study(trained, cancel=True)


def test_the_service_is_asked_after(talking):
    assert "lpwd_" in talking.metrics()
    assert talking.healthy()
    assert talking.ready()


@pytest.mark.parametrize("listen", [True, False])
def test_watching_shows_progress_and_ends_with_the_study(address, database, study, listen):
    study_id = work.send(database, study())
    seen = []

    def look():
        with Client(address) as client:
            seen.extend(client.watch(study_id, listen=listen))

    watcher = threading.Thread(target=look)
    watcher.start()
    while not seen:
        time.sleep(0.01)
    held = work.lease(database)
    keys = work.to_do(database, study_id)
    work.take(database, held, keys)
    work.record(database, held, results=[work.result(key) for key in keys[:8]])
    while seen[-1].finished < 8:
        time.sleep(0.01)
    work.record(database, held, results=[work.result(key) for key in keys[8:]])
    with database.write() as session:
        held.finish(session)
    watcher.join()
    assert seen[0].state is StudyState.QUEUED
    assert seen[-1].state is StudyState.DONE
    assert seen[-1].finished == 16
    finished = [one.finished for one in seen]
    assert finished == sorted(finished)


def test_events_go_on_where_a_stream_broke_off(talking, database, study):
    study_id = work.send(database, study())
    with database.write() as session:
        repository.cancel(session, study_id)
    first, last = talking.events(study_id)
    assert first.parts[:2] == ("header", "robustness")
    assert last.kind == "ended"
    (only,) = talking.events(study_id, last_event_id=last.id)
    assert only == last
    with pytest.raises(NotFound):
        list(talking.events("nothing"))


def test_waiting_ends_with_the_study_or_with_patience(talking, database, study):
    study_id = work.send(database, study())
    with pytest.raises(TimeoutError, match=r"is queued after 0\.2 s, and goes on"):
        talking.wait(study_id, timeout=0.2)
    talking.cancel(study_id)
    assert talking.wait(study_id).state is StudyState.CANCELLED
    assert talking.wait(study_id, timeout=5).state is StudyState.CANCELLED
