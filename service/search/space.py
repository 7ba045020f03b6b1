"""The space of a search: what a request asks for, checked against the catalogue. Pure."""

from typing import Any

import lpwd.catalogue
from lpwd.entry import OptimizerEntry
from lpwd.errors import LpwdError
from lpwd.hyperparameters import Hyperparameter
from service.errors import InvalidRequestError
from service.search.schemas import Range, SearchRequest
from service.studies.fields import MAX_RATE, MIN_LEARNING_RATE
from workers.search.contracts import LEARNING_RATE, WEIGHT_DECAY, Kind, Parameter

RATES = {
    LEARNING_RATE: Hyperparameter(LEARNING_RATE, "number", 1e-3, "η", MIN_LEARNING_RATE, MAX_RATE),
    WEIGHT_DECAY: Hyperparameter(WEIGHT_DECAY, "number", 1e-2, "λ", 0.0, MAX_RATE),
}
"""What every optimizer has besides its own hyperparameters; a grid takes the same values."""


def resolve_space(request: SearchRequest, position: int) -> tuple[Parameter, ...]:
    """Return the dimensions in which one of a request's optimizers is searched.

    The two rates come first. Where the request gives no range of theirs, the catalogue's
    `learning_rate_range` and `weight_decay_range` are searched, on a log scale.

    Args:
        request: The search.
        position: Of the optimizer, which is in the catalogue.

    Raises:
        InvalidRequestError: An unknown hyperparameter, one both fixed and searched, or values that
            it cannot take.
    """
    choice = request.optimizers[position]
    entry = lpwd.catalogue.get(choice.name)
    own = request.space.optimizers.get(choice.shown_as, {})
    found = []
    for name, shared, (low, high) in (
        (LEARNING_RATE, request.space.learning_rate, entry.learning_rate_range),
        (WEIGHT_DECAY, request.space.weight_decay, entry.weight_decay_range),
    ):
        given = own.get(name, shared)
        field = f"space.optimizers.{choice.shown_as}.{name}" if name in own else f"space.{name}"
        found.append(_parameter(RATES[name], given or Range(low=low, high=high), field))
    for name in sorted(own.keys() - RATES.keys()):
        field = f"space.optimizers.{choice.shown_as}.{name}"
        if name in choice.hyperparameters:
            raise InvalidRequestError(
                f"{name} of {choice.shown_as} is both fixed and searched; drop it from "
                f"optimizers.{position}.hyperparameters or from space",
                field=field,
            )
        found.append(_parameter(_hyperparameter(entry, name, field), own[name], field))
    return tuple(found)


def _hyperparameter(entry: OptimizerEntry, name: str, field: str) -> Hyperparameter:
    for one in entry.hyperparameters:
        if one.name == name:
            return one
    names = ", ".join([*RATES, *(one.name for one in entry.hyperparameters)])
    raise InvalidRequestError(
        f"{entry.name} has no hyperparameter {name!r} to search; it has {names}", field=field
    )


def _parameter(known: Hyperparameter, given: Range | tuple[Any, ...], field: str) -> Parameter:
    """Check a dimension against what the hyperparameter may be."""
    try:
        if isinstance(given, Range):
            return _range(known, given)
        choices = tuple(known.check(value) for value in given)
    except (LpwdError, ValueError) as error:
        raise InvalidRequestError(str(error), field=field) from error
    return Parameter(known.name, Kind.CHOICE, choices=choices)


def _range(known: Hyperparameter, given: Range) -> Parameter:
    if known.kind not in ("number", "integer"):
        raise ValueError(f"{known.name} must be {known.allowed()}: list choices instead of a range")
    if given.zero and known.name != WEIGHT_DECAY:
        raise ValueError(f"zero is for {WEIGHT_DECAY} alone, not for {known.name}")
    for end in (given.low, given.high):
        known.check(int(end) if known.kind == "integer" and end.is_integer() else end)
    log = known.name in RATES if given.log is None else given.log
    if log and given.low <= 0:
        zero = ", and zero to true to try 0 as well" if known.name == WEIGHT_DECAY else ""
        raise ValueError(
            f"{known.name} is drawn on a log scale, on which there is no {given.low:g}: start "
            f"above 0{zero}, or set log to false"
        )
    kind = Kind.INTEGER if known.kind == "integer" else Kind.NUMBER
    return Parameter(known.name, kind, given.low, given.high, log=log, zero=given.zero)
