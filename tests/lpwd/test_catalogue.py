"""The catalogue: reading it needs no torch, and it refuses what it does not know."""

import math
import pickle
import subprocess
import sys

import pytest

from lpwd import catalogue
from lpwd.errors import (
    DuplicateOptimizer,
    InvalidHyperparameter,
    UnknownHyperparameter,
    UnknownOptimizer,
)

NAMES = [entry.name for entry in catalogue.entries()]


def test_reading_it_imports_neither_torch_nor_numpy() -> None:
    program = (
        "import sys, lpwd.catalogue as c; names = [e.name for e in c.entries()];"
        "assert 'adam-lpwd' in names;"
        "print([m for m in ('torch', 'numpy', 'ray', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_rules_of_the_paper_and_their_baselines_are_there_on_both_bases() -> None:
    pairs = {("sgd-l2", "adam-l2"), ("sgdw", "adamw"), ("sgd-rwd", "adam-rwd")}
    pairs |= {("sgd-pwd", "adam-pwd"), ("sgd-lpwd", "adam-lpwd")}
    for pair in pairs:
        assert set(pair) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_valid_and_in_the_schema(name: str) -> None:
    entry = catalogue.get(name)
    resolved = entry.resolve({})
    assert entry.resolve(resolved) == resolved
    schema = entry.json_schema()
    assert schema["additionalProperties"] is False
    properties = schema["properties"]
    assert isinstance(properties, dict)
    assert {key: value["default"] for key, value in properties.items()} == resolved
    assert pickle.loads(pickle.dumps(entry)) == entry
    low, high = entry.weight_decay_range
    assert 0 < low <= entry.default_weight_decay <= high
    low, high = entry.learning_rate_range
    assert 0 < low <= entry.default_learning_rate <= high


def test_an_unknown_name_is_answered_with_near_ones_and_all() -> None:
    with pytest.raises(
        UnknownOptimizer, match=r"'adamwx'; did you mean 'adamw'.*known: .*adam-lpwd"
    ):
        catalogue.get("adamwx")


def test_a_name_is_registered_once() -> None:
    with pytest.raises(DuplicateOptimizer, match="'adamw', which lpwd has registered already"):
        catalogue.register(catalogue.get("adamw"))


def test_an_unknown_hyperparameter_is_refused_by_name() -> None:
    with pytest.raises(UnknownHyperparameter, match="no hyperparameter 'momentum'; it has beta1"):
        catalogue.get("adamw").resolve({"momentum": 0.9})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eps", True),
        ("beta1", "0.9"),
        ("beta1", math.nan),
        ("beta1", math.inf),
        ("beta1", 1.0),
        ("beta1", -0.1),
        ("beta1", None),
        ("eps", -1e-9),
        ("amsgrad", 1),
        ("amsgrad", "true"),
    ],
)
def test_a_bad_value_is_refused_with_the_field_the_value_and_what_is_allowed(
    name: str, value: object
) -> None:
    with pytest.raises(InvalidHyperparameter) as caught:
        catalogue.get("adamw").resolve({name: value})
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)
    assert "must be" in str(caught.value)


def test_an_integer_is_a_number_and_becomes_a_float() -> None:
    assert repr(catalogue.get("sgdw").resolve({"momentum": 0})["momentum"]) == "0.0"


def test_a_number_too_large_for_a_float_is_refused_like_infinity() -> None:
    with pytest.raises(InvalidHyperparameter, match="eps must be"):
        catalogue.get("adamw").resolve({"eps": 10**400})
