"""The studies that ship."""

import pytest

import lpwd.catalogue
from service import presets
from service.search.model import StudyMode
from service.search.planning import SearchSpec, resolve_any
from service.search.schemas import ANY_STUDY
from service.study_file import parse
from workers.search.contracts import WEIGHT_DECAY

PRESETS = "/api/v1/presets"


def test_they_are_listed_one_by_one_and_whole(client):
    listed = client.get(PRESETS).json()
    assert [one["name"] for one in listed] == list(presets.names())
    assert {"demo", "nightly", "ladder", "mnist1d-full"} <= set(presets.names())
    for one in listed:
        assert client.get(f"{PRESETS}/{one['name']}").json() == one
        assert one["title"]
        assert one["description"]


def test_an_unknown_one_is_a_problem_that_names_the_others(client):
    for name in ("nightly.yaml", "__init__", "x"):
        answer = client.get(f"{PRESETS}/{name}")
        assert answer.status_code == 404
        assert "there are: demo," in answer.json()["detail"]


@pytest.mark.parametrize("name", presets.names())
def test_each_can_be_sent_as_it_is_once_its_data_is_there(client, name):
    one = client.get(f"{PRESETS}/{name}").json()
    plan = client.post("/api/v1/studies", json=one["study"], params={"dry_run": True})
    if one["data_here"]:
        assert plan.status_code == 200, plan.text
        assert plan.json()["trials"] == one["trials"]
    else:
        assert plan.status_code == 422
        assert f"lpwd data fetch {one['datasets'][0]}" in plan.json()["detail"]
    study = ANY_STUDY.validate_python(one["study"])
    spec = resolve_any(study, max_trials=10**6, require_data=False)
    assert spec.trial_count == one["trials"]
    assert one["mode"] == study.mode
    if isinstance(spec, SearchSpec):
        decays = (p for o in spec.search.optimizers for p in o.space if p.name == WEIGHT_DECAY)
        assert all(parameter.zero for parameter in decays)
    else:
        assert 0 in spec.weight_decays


def test_grids_and_searches_ship():
    assert {presets.get(name).mode for name in presets.names()} == set(StudyMode)


@pytest.mark.parametrize("name", ["paper-cifar10-convnext", "paper-cifar100-swin"])
def test_the_papers_protocol_is_the_papers(name):
    study = presets.get(name).study
    assert len(study["learning_rates"]) == 5
    assert len(study["weight_decays"]) == 7
    assert (0.001 in study["learning_rates"], 0.5 in study["weight_decays"]) == (True, True)
    assert study["budget"] == {"epochs": 100, "schedule": "constant"}
    assert {"sgdw", "sgd-lpwd", "adamw", "adam-lpwd"} <= set(study["optimizers"])
    assert len(presets.get(name).datasets) == 2


@pytest.mark.parametrize("name", presets.names())
def test_each_as_a_file_is_the_same_study(name):
    preset = presets.get(name)
    assert parse(preset.yaml, origin=name) == preset.study
    assert preset.yaml.startswith(f"# {preset.title}\n")


def test_the_ladder_has_every_rung_and_every_control_on_both_bases():
    wanted = {entry.name for entry in lpwd.catalogue.entries() if entry.role == "control"}
    for base, decoupled in (("sgd", "sgdw"), ("adam", "adamw")):
        wanted |= {decoupled} | {f"{base}-{rule}" for rule in ("l2", "rwd", "pwd", "lpwd")}
    assert set(presets.get("ladder").study["optimizers"]) == wanted


def test_the_full_study_has_every_rule_but_the_controls():
    wanted = {e.name for e in lpwd.catalogue.entries() if e.role in {"method", "baseline"}}
    assert set(presets.get("mnist1d-full").study["optimizers"]) == wanted
