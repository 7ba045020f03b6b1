"""Which trials of a study belong to the optimizer of a label: as conditions for the database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, or_

from service.db.tables.studies import TrialRow
from service.errors import InvalidRequestError
from service.search.planning import SearchSpec
from service.studies.planning import StudySpec
from workers.search.contracts import LEARNING_RATE, WEIGHT_DECAY, Kind, Parameter


def labelled(spec: StudySpec | SearchSpec, label: str) -> list[ColumnElement[bool]]:
    """Return what a trial of that optimizer meets.

    Where a study has one optimizer under several labels, the hyperparameters in which they differ
    tell them apart; of a search, so do the ranges. What lies in two ranges belongs to both labels.

    Raises:
        InvalidRequestError: The study has no such label.
    """
    optimizers: Sequence[Any] = (
        spec.search.optimizers if isinstance(spec, SearchSpec) else spec.variants
    )
    found = next((one for one in optimizers if one.label == label), None)
    if found is None:
        labels = ", ".join(one.label for one in optimizers)
        raise InvalidRequestError(
            f"the study has no optimizer labelled {label!r}; it has {labels}", field="optimizer"
        )
    others = [one for one in optimizers if one.name == found.name and one is not found]
    conditions: list[ColumnElement[bool]] = [TrialRow.optimizer == found.name]
    if not others:
        return conditions
    space = {one.name: one for one in getattr(found, "space", ())}
    differing = {
        name
        for other in others
        for name in found.hyperparameters
        if other.hyperparameters.get(name) != found.hyperparameters[name]
    }
    conditions += [
        _equals(name, found.hyperparameters[name]) for name in sorted(differing - space.keys())
    ]
    return conditions + [_within(parameter) for parameter in space.values()]


def _equals(name: str, value: Any) -> ColumnElement[bool]:
    one = TrialRow.hyperparameters[name]
    found: ColumnElement[bool]
    if isinstance(value, bool):
        found = one.as_boolean() == value
    elif isinstance(value, str):
        found = one.as_string() == value
    else:
        found = one.as_float() == float(value)
    return found


def _within(parameter: Parameter) -> ColumnElement[bool]:
    rates = {LEARNING_RATE: TrialRow.learning_rate, WEIGHT_DECAY: TrialRow.weight_decay}
    column = rates.get(parameter.name)
    if parameter.kind is Kind.CHOICE:
        return or_(
            *(
                _equals(parameter.name, choice) if column is None else column == choice
                for choice in parameter.choices
            )
        )
    value = TrialRow.hyperparameters[parameter.name].as_float() if column is None else column
    inside = value.between(parameter.low, parameter.high)
    return or_(inside, value == 0) if parameter.zero else inside
