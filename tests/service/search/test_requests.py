"""Searches as they are asked for over REST: what is taken, planned and refused."""

import json

import pytest

import lpwd.catalogue
from service.db.tables.studies import StudyRow, StudyTrialRow
from service.search.planning import SearchSpec, resolve_search
from service.search.schemas import SearchRequest
from service.studies import repository
from tests.service import work
from tests.service.refusals import refused, unchanged
from tests.service.search import points
from workers.search.contracts import Halving, Kind

STUDIES, SCHEDULES = "/api/v1/studies", "/api/v1/schedules"
NAN = float("nan")


def space(**dimensions):
    return {"space": dimensions}


def own(**dimensions):
    return {"space": {"optimizers": {"adamw": dimensions}}}


def dimension(request, label, name):
    (found,) = (
        one
        for optimizer in points.spec_of(request).search.optimizers
        if optimizer.label == label
        for one in optimizer.space
        if one.name == name
    )
    return found


def test_a_search_is_created_and_queued(client, database, search):
    answer = client.post(STUDIES, json=search())
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert (body["points"], body["trials"], body["epochs"]) == (10, 20, 80)
    assert (body["known"], body["missing"]) == (0, 20)
    study = body["study"]
    assert client.get(answer.headers["location"]).json() == study
    assert (study["mode"], study["state"]) == ("search", "queued")
    assert (study["learning_rates"], study["weight_decays"], study["trials"]) == ([], [], 0)
    assert study["search"] == {
        "points": 10,
        "done": 0,
        "pruned": 0,
        "diverged": 0,
        "failed": 0,
        "running": 0,
        "seconds": 0.0,
        "seconds_at_most": None,
        "ended": 0,
    }
    assert study["name"] == "Search: Digits, MLP: adamw, adam-lpwd"
    assert client.get(STUDIES).json()["items"] == [study]
    assert client.get(f"{STUDIES}/{study['id']}/trials").json()["items"] == []
    assert work.rows(database, StudyTrialRow) == []


def test_a_dry_run_says_the_most_it_can_cost_and_writes_nothing(client, database, search, study):
    trained = work.send(database, study(optimizers=["adamw"], seeds=1))
    work.train(database, trained)
    before = len(work.rows(database, StudyRow))

    def planned(**changes):
        answer = client.post(STUDIES, json=search(**changes), params={"dry_run": True})
        assert answer.status_code == 200
        return answer.json()

    # An epoch took 0.25 s: two epochs in 0.5 s, by `work.result`.
    assert planned(asha=False)["estimated_worker_seconds"] == pytest.approx(80 * 0.25)
    # After 1 epoch one in 3 goes on to 3, of these one in 3 to 4.
    expected = 20 * (1 + 2 / 3 + 1 / 9) * 0.25
    halved = planned(asha={"grace_epochs": 1})
    assert halved["estimated_worker_seconds"] == pytest.approx(expected)
    assert halved["epochs"] == 80
    limited = planned(budget={"seconds": 3, "epochs": 4})
    assert limited["estimated_worker_seconds"] == pytest.approx(6)
    assert len(work.rows(database, StudyRow)) == before


def test_a_search_sent_twice_with_one_key_is_created_once(client, database, search):
    answers = [
        client.post(STUDIES, json=search(), headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert len(work.rows(database, StudyRow)) == 1
    other = client.post(STUDIES, json=search(sampler_seed=1), headers={"Idempotency-Key": "k"})
    assert other.status_code == 422


def test_a_search_can_be_scheduled(client, database, search):
    schedule = client.post(
        SCHEDULES, json={"name": "nightly", "cron": "0 3 * * *", "study": search(asha=False)}
    )
    assert schedule.status_code == 201, schedule.text
    assert schedule.json()["study"]["asha"] is False
    firing = client.post(f"{SCHEDULES}/{schedule.json()['id']}/run").json()
    assert client.get(f"{STUDIES}/{firing['study_id']}").json()["mode"] == "search"
    bad = {"name": "x", "cron": "0 3 * * *", "study": search(space={"learning_rate": [5000, 1]})}
    refused(client.post(SCHEDULES, json=bad), "study.space.learning_rate")


def test_a_spec_comes_back_from_json(search):
    for request in (search(), search(asha=False, budget={"seconds": 5})):
        spec = points.spec_of(request)
        assert SearchSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_what_is_left_out_comes_from_the_catalogue(search):
    request = search(budget={}, seeds=3)
    del request["space"]
    spec = points.spec_of(request)
    for optimizer in spec.search.optimizers:
        entry = lpwd.catalogue.get(optimizer.name)
        rate, decay = optimizer.space
        assert (rate.low, rate.high) == entry.learning_rate_range
        assert (decay.low, decay.high) == entry.weight_decay_range
        assert rate.log
        assert decay.log
        assert not decay.zero
    assert spec.search.points == 50
    assert spec.search.budget.epochs == 20
    assert spec.search.halving == Halving(2, 3.0)


@pytest.mark.parametrize("entry", lpwd.catalogue.entries(), ids=lambda entry: entry.name)
def test_every_optimizer_of_the_catalogue_can_be_searched_by_its_name_alone(entry):
    request = {"mode": "search", "task": "digits-mlp", "optimizers": [entry.name]}
    spec = resolve_search(SearchRequest.model_validate(request), max_trials=1000)
    assert [one.name for one in spec.search.optimizers[0].space] == [
        "learning_rate",
        "weight_decay",
    ]


def test_ranges_and_choices_are_taken_in_the_hyperparameters_own_type(search):
    request = search(
        optimizers=["adamw", "sgd-lpwd-shuffled"],
        space={
            "learning_rate": [0.001, 0.01],
            "optimizers": {
                "adamw": {
                    "amsgrad": [True, False],
                    "eps": {"low": 1e-10, "high": 1e-4, "log": True},
                    "learning_rate": {"low": 1, "high": 2, "log": False},
                },
                "sgd-lpwd-shuffled": {"shuffle_seed": {"low": 0, "high": 7}},
            },
        },
    )
    seed = dimension(request, "sgd-lpwd-shuffled", "shuffle_seed")
    assert (seed.kind, seed.low, seed.high, seed.log) == (Kind.INTEGER, 0, 7, False)
    assert dimension(request, "sgd-lpwd-shuffled", "learning_rate").choices == (0.001, 0.01)
    assert dimension(request, "adamw", "amsgrad").choices == (True, False)
    assert dimension(request, "adamw", "eps").log
    rate = dimension(request, "adamw", "learning_rate")
    assert (rate.kind, rate.low, rate.high, rate.log) == (Kind.NUMBER, 1, 2, False)


def test_one_optimizer_may_be_searched_in_two_spaces(search):
    twice = ["adamw", {"name": "adamw", "label": "wide"}]
    request = search(optimizers=twice, space={"optimizers": {"wide": {"beta1": [0.5, 0.9]}}})
    assert points.spec_of(request).labels == ("adamw", "wide")


def test_points_without_a_number_are_bounded_by_the_installation(search):
    request = search(budget={"seconds": 60})
    spec = resolve_search(SearchRequest.model_validate(request), max_trials=100)
    assert spec.search.points == 25
    assert spec.search.seconds == 60


BAD = [
    ("mode", {"mode": "random"}),
    ("mode", {"mode": 5}),
    ("mode", {"mode": None}),
    ("learning_rates", {"learning_rates": [0.1]}),
    ("weight_decays", {"weight_decays": [0]}),
    ("task", {"task": "imagenet"}),
    ("optimizers.0.name", {"optimizers": ["adamv"]}),
    ("optimizers", {"optimizers": []}),
    ("optimizers.1", {"optimizers": ["adamw", {"name": "adamw", "label": "b"}]} | own()),
    ("colour", {"colour": 1}),
    ("space", {"space": 5}),
    ("space.beta1", space(beta1=[0.5, 0.9])),
    ("space.learning_rate", space(learning_rate=0.1)),
    ("space.learning_rate", space(learning_rate="wide")),
    ("space.learning_rate", space(learning_rate=[0.1])),
    ("space.learning_rate", space(learning_rate=[0.1, 0.1])),
    ("space.learning_rate", space(learning_rate=[0.1, -1])),
    ("space.learning_rate", space(learning_rate=[0.1, 1001])),
    ("space.learning_rate", space(learning_rate=[0.1, True])),
    ("space.learning_rate", space(learning_rate={"low": 0, "high": 1})),
    ("space.learning_rate", space(learning_rate={"low": 0, "high": 1, "log": False})),
    ("space.learning_rate", space(learning_rate={"low": 1, "high": 0.1})),
    ("space.learning_rate", space(learning_rate={"low": 1, "high": 1})),
    ("space.learning_rate", space(learning_rate={"low": 1, "high": 2000})),
    ("space.learning_rate", space(learning_rate={"low": 0.1, "high": 1, "zero": True})),
    ("space.learning_rate.low", space(learning_rate={"low": NAN, "high": 1})),
    ("space.learning_rate.low", space(learning_rate={"low": "0.1", "high": 1})),
    ("space.learning_rate.low", space(learning_rate={"low": True, "high": 1})),
    ("space.learning_rate.high", space(learning_rate={"low": 0.1, "high": 10**400})),
    ("space.learning_rate.high", space(learning_rate={"low": 0.1})),
    ("space.learning_rate.log", space(learning_rate={"low": 0.1, "high": 1, "log": "yes"})),
    ("space.learning_rate.step", space(learning_rate={"low": 0.1, "high": 1, "step": 0.1})),
    ("space.weight_decay", space(weight_decay={"low": 0, "high": 1})),
    ("space.weight_decay", space(weight_decay={"low": -1, "high": 1, "log": False})),
    ("space.optimizers.lion", space(optimizers={"lion": {"beta1": [0.5, 0.9]}})),
    ("space.optimizers.adamw.alpha", own(alpha=[1, 2])),
    ("space.optimizers.adamw.beta1", own(beta1=0.9)),
    ("space.optimizers.adamw.beta1", own(beta1={"low": 0.9, "high": 1.0})),
    ("space.optimizers.adamw.beta1", own(beta1={"low": -0.1, "high": 0.9})),
    ("space.optimizers.adamw.beta1", own(beta1={"low": 0.0, "high": 0.9, "log": True})),
    ("space.optimizers.adamw.beta1", own(beta1=[0.5, 1.5])),
    ("space.optimizers.adamw.beta1", own(beta1=[n / 200 for n in range(101)])),
    ("space.optimizers.adamw.beta1.0", own(beta1=[[0.5], 0.9])),
    ("space.optimizers.adamw.amsgrad", own(amsgrad={"low": 0, "high": 1})),
    ("space.optimizers.adamw.amsgrad", own(amsgrad=[0, 1])),
    (
        "space.optimizers.adamw.beta1",
        {"optimizers": [{"name": "adamw", "hyperparameters": {"beta1": 0.8}}]}
        | own(beta1=[0.5, 0.9]),
    ),
    ("budget.points", {"budget": {"points": 0}}),
    ("budget.points", {"budget": {"points": 10_001}}),
    ("budget.points", {"budget": {"points": 2.0}}),
    ("budget.points", {"budget": {"points": True}}),
    ("budget.seconds", {"budget": {"seconds": 0}}),
    ("budget.seconds", {"budget": {"seconds": NAN}}),
    ("budget.seconds", {"budget": {"seconds": 1e9}}),
    ("budget.epochs", {"budget": {"epochs": 0}}),
    ("budget.points", {"budget": {"points": 10_000}, "seeds": 1000}),
    ("budget.points", {"seeds": 1000, "optimizers": ["adamw"] * 1, "budget": {"points": 101}}),
    ("asha", {"asha": True}),
    ("asha", {"asha": "off"}),
    ("asha", {"asha": None}),
    ("asha.grace_epochs", {"asha": {"grace_epochs": 0}}),
    ("asha.grace_epochs", {"asha": {"grace_epochs": 5}}),
    ("asha.reduction_factor", {"asha": {"reduction_factor": 1}}),
    ("asha.reduction_factor", {"asha": {"reduction_factor": 101}}),
    ("asha.brackets", {"asha": {"brackets": 2}}),
    ("sampler_seed", {"sampler_seed": -1}),
    ("sampler_seed", {"sampler_seed": 2**31}),
    ("sampler_seed", {"sampler_seed": 1.5}),
]


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_bad_search_is_refused_by_the_field(client, database, search, dry_run):
    for field, changes in BAD:
        text = json.dumps({**search(), "space": {}, **changes})
        answer = client.post(
            STUDIES,
            content=text,
            params={"dry_run": dry_run},
            headers={"Content-Type": "application/json"},
        )
        body = refused(answer, field)
        assert answer.status_code == 422
        assert len(body["errors"]) == 1, body["errors"]
        assert len(answer.content) < 20_000, changes
    assert unchanged(database)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("space", {"space": {}}),
        ("asha", {"asha": False}),
        ("sampler_seed", {"sampler_seed": 0}),
        ("budget.points", {"budget": {"points": 5}}),
        ("budget.seconds", {"budget": {"seconds": 5}}),
    ],
)
def test_a_grid_with_a_searchs_field_is_told_the_way_out(client, database, study, field, changes):
    body = refused(client.post(STUDIES, json=study(**changes)), field)
    assert "mode: search" in body["detail"]
    assert unchanged(database)


def test_a_search_with_a_grids_field_is_told_the_way_out(client, search):
    body = refused(client.post(STUDIES, json=search(learning_rates=[0.1])), "learning_rates")
    assert "leave out mode for a grid" in body["detail"]


def test_messages_name_the_value_and_the_way_out(client, search):
    cases = {
        "above 0, and zero to true": space(weight_decay={"low": 0, "high": 1}),
        "it has learning_rate, weight_decay, beta1": own(alpha=[1, 2]),
        "low 1 is not below high 0.1": space(learning_rate={"low": 1, "high": 0.1}),
        "give it with the optimizer": own(beta1=0.9),
        "adamw, adam-lpwd": space(optimizers={"lion": {}}),
        "beta1 must be a number >= 0 and < 1, not 1.5": own(beta1=[0.5, 1.5]),
        "list choices instead": own(amsgrad={"low": 0, "high": 1}),
        "grid or search": {"mode": "random"},
        "set asha to false": {"asha": {"grace_epochs": 5}},
    }
    for said, changes in cases.items():
        body = refused(client.post(STUDIES, json=search(**changes)))
        assert said in body["detail"], body["detail"]


@pytest.mark.parametrize("kind", ["heatmap.json", "heatmap.csv", "heatmap.svg", "robustness"])
def test_a_search_has_no_map_and_says_where_its_results_are(client, searching, kind):
    study_id = searching()
    body = refused(client.get(f"{STUDIES}/{study_id}/{kind}"))
    assert body["status"] == 409
    assert f"{STUDIES}/{study_id}/search" in body["detail"]


def test_events_of_a_search_name_its_own_parts(client, database, searching):
    study_id = searching()
    with database.write() as session:
        repository.cancel(session, study_id)
    text = client.get(f"{STUDIES}/{study_id}/events").text
    assert '"plane:adamw"' in text
    assert '"importance"' in text
    assert "panel:" not in text
