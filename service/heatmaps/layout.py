"""A study's trials as arrays on its grid: pure.

There may be a hundred thousand of them, so they are laid out column by column.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lpwd.robustness import Array
from service.studies.planning import StudySpec
from service.trials.model import TrialState

CODES = {state: code for code, state in enumerate(TrialState)}
"""Of each state, and of its value as the database holds it: small numbers that arrays take."""
KEY_LENGTH = 32
"""Characters of a trial's key."""


class Columns(NamedTuple):
    """What aggregation needs to know of some trials: equally long columns."""

    labels: Sequence[str]
    learning_rates: Sequence[float]
    weight_decays: Sequence[float]
    seeds: Sequence[int]
    keys: Sequence[str]
    states: Sequence[TrialState | str]
    validation_scores: Sequence[float | None]
    test_scores: Sequence[float | None]


@dataclass(frozen=True)
class Layout:
    """All trials of a study: (V, L, W, S) arrays over optimizers, rates and seeds."""

    keys: npt.NDArray[np.bytes_]
    """Empty where the study has no trial."""
    states: npt.NDArray[np.int8]
    """As `CODES` has them; pending where the study has no trial."""
    validation: Array
    """Scores, NaN where there is none."""
    test: Array


def lay_out(spec: StudySpec, portions: Iterable[Columns]) -> Layout:
    """Lay a study's trials out, however they are portioned and ordered.

    Raises:
        KeyError: One has no place on the study's grid.
    """
    axes: tuple[Sequence[Any], ...] = (
        [variant.label for variant in spec.variants],
        spec.learning_rates,
        spec.weight_decays,
        spec.seeds,
    )
    places = [{value: place for place, value in enumerate(axis)} for axis in axes]
    shape = tuple(map(len, axes))
    found = Layout(
        np.zeros(shape, f"S{KEY_LENGTH}"),
        np.full(shape, CODES[TrialState.PENDING], np.int8),
        np.full(shape, np.nan),
        np.full(shape, np.nan),
    )
    for some in portions:
        at = tuple(
            np.array([on_axis[value] for value in values], np.intp)
            for on_axis, values in zip(places, some[: len(axes)], strict=True)
        )
        found.keys[at] = some.keys
        found.states[at] = [CODES[one] for one in some.states]  # type: ignore[index]
        found.validation[at] = np.array(some.validation_scores, float)
        found.test[at] = np.array(some.test_scores, float)
    return found


def finished(
    spec: StudySpec, layout: Layout, label: str, cell: tuple[float, float]
) -> tuple[str, ...]:
    """Return the keys of a cell's trials that are done, by seed; diverged ones ended early."""
    place = [variant.label for variant in spec.variants].index(label)
    at = place, spec.learning_rates.index(cell[0]), spec.weight_decays.index(cell[1])
    done = layout.states[at] == CODES[TrialState.DONE]
    return tuple(key.decode() for key in layout.keys[at][done].tolist())
