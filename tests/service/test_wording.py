"""What is said of a refused field: in a client's words, not in Python's."""

import re

import pytest
from pydantic import ValidationError

from service.schedules.schemas import ScheduleRequest
from service.search.schemas import SearchRequest
from service.studies.schemas import StudyRequest
from service.wording import said, shown, unknown

GRID = {
    "task": "digits-mlp",
    "optimizers": ["adamw"],
    "learning_rates": [0.1],
    "weight_decays": [0],
}
PYTHON = re.compile(r"tuple|instance|Input|Extra|Field required|pattern|\bNone\b|should", re.I)


def refusals(model, body):
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    return {".".join(map(str, one["loc"])): said(one) for one in caught.value.errors()}


@pytest.mark.parametrize(
    ("field", "changes", "words"),
    [
        ("learning_rates", {"learning_rates": 0.1}, "a list is wanted (got 0.1)"),
        ("learning_rates", {"learning_rates": []}, "1 or more are wanted, not 0 (got [])"),
        ("weight_decays.0", {"weight_decays": [-1]}, "0 or more is wanted (got -1)"),
        ("task", {"task": None}, "a string is wanted (got null)"),
        ("optimizers.0", {"optimizers": [3]}, "an object is wanted (got 3)"),
        ("budget.epochs", {"budget": {"epochs": "5"}}, 'a whole number is wanted (got "5")'),
        ("numerics.amp", {"numerics": {"amp": 1}}, "true or false is wanted (got 1)"),
        ("budget.batches", {"budget": {"batches": 1}}, "there are batch_size, epochs, schedule"),
        ("name", {"name": "a\nb"}, "one line"),
        (
            "optimizers.0.label",
            {"optimizers": [{"name": "adamw", "label": "A b"}]},
            '"A b" is no label: small letters, digits and . _ - are wanted',
        ),
        (
            "budget.schedule",
            {"budget": {"schedule": "step"}},
            "choose 'constant', 'cosine' or 'linear' (got \"step\")",
        ),
    ],
)
def test_a_field_is_refused_in_words_of_json(field, changes, words):
    found = refusals(StudyRequest, GRID | changes)
    assert words in found[field]
    assert not PYTHON.search(found[field])


def test_an_unknown_field_is_told_which_there_are_besides_what_else_is_wrong():
    found = refusals(StudyRequest, GRID | {"weight_decay": [0], "seeds": "three", "task": 1})
    assert found["weight_decay"] == (
        "there is no field 'weight_decay' here; did you mean 'weight_decays'? there are budget, "
        "learning_rates, limits, mode, name, note, numerics, optimizers, priority, seeds, tags, "
        "task, weight_decays"
    )
    assert found.keys() == {"weight_decay", "seeds", "task"}


def test_every_request_says_so_however_deep():
    search = {"mode": "search", "task": "digits-mlp", "optimizers": ["adamw"]}
    found = refusals(SearchRequest, search | {"space": {"weight_decay": {"low": 1, "hihg": 2}}})
    assert "did you mean 'high'?" in found["space.weight_decay.hihg"]
    assert found["space.weight_decay.high"] == "this has to be given"
    found = refusals(ScheduleRequest, {"name": "n", "cron": "* * * * *", "study": GRID, "zone": 1})
    assert "timezone" in found["zone"]


def test_values_are_shown_as_they_were_sent_and_cut_short():
    assert shown([None, True, "é"]) == '[null, true, "é"]'
    assert shown("\ud800") == '"\\ud800"'
    assert len(shown("x" * 500)) == 121
    assert len(unknown("x" * 500, ["a"])) < 200
