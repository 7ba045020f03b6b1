"""What a study asks for once it is extended: pure, against the catalogues."""

from collections.abc import Collection
from dataclasses import replace
from typing import TypeVar

import lpwd.catalogue
from lpwd.errors import LpwdError
from service.errors import ConflictError, InvalidRequestError
from service.search.planning import SearchSpec, impossible
from service.studies.action_schemas import StudyExtension
from service.studies.planning import StudySpec, Variant, check_size, resolve_variants
from workers import tasks
from workers.errors import WorkersError

Number = TypeVar("Number", int, float)

OUTDATED = (
    "the task, an optimizer or the engine has changed since it was sent: clone it, to train it "
    "with the present code"
)
OF_A_GRID = ("seeds", "learning_rates", "weight_decays", "optimizers")
OF_A_SEARCH = ("points", "seconds")


def extended(
    spec: StudySpec | SearchSpec, wanted: StudyExtension, *, max_trials: int
) -> StudySpec | SearchSpec:
    """Return a study with what is to be added to it.

    Args:
        spec: What it asks for so far.
        wanted: What to add; what it has already is no error.
        max_trials: Trials a study may hold.

    Raises:
        InvalidRequestError: Nothing at all, a field that is not of the study's mode, an optimizer
            that is not in the catalogue, a label that is taken, or too many trials.
        ConflictError: Nothing of it is new, or a task that is no longer there.
    """
    searching = isinstance(spec, SearchSpec)
    for field in OF_A_GRID if searching else OF_A_SEARCH:
        if getattr(wanted, field) is not None:
            why = _WHY_NOT_SEARCH if searching else "a grid has no {}: give seeds or rates"
            raise InvalidRequestError(why.format(field), field=field)
    fields = OF_A_SEARCH if searching else OF_A_GRID
    if all(getattr(wanted, field) is None for field in fields):
        mode = "search" if searching else "grid"
        raise InvalidRequestError(f"name what to add: of a {mode}, {', '.join(fields)}")
    found: StudySpec | SearchSpec
    if isinstance(spec, SearchSpec):
        found = _extended_search(spec, wanted, max_trials)
    else:
        found = _extended_grid(spec, wanted)
        check_size(found, max_trials)
    if found == spec:
        raise ConflictError("nothing of this is new: the study has it already")
    return found


_WHY_NOT_SEARCH = (
    "a search cannot be given more {}: its points would no longer be comparable. It takes points "
    "or seconds; for the rest, clone it"
)


def outdated(spec: StudySpec | SearchSpec, keys: Collection[str]) -> bool:
    """Tell whether the present code would no longer train what a study asks for.

    Args:
        spec: What it asks for.
        keys: Some of its trials, as they were named when it was sent; of a grid.
    """
    if isinstance(spec, SearchSpec):
        return impossible(spec) is not None
    try:
        same = spec.task_version == tasks.get(spec.task).version and all(
            one.version == lpwd.catalogue.get(one.name).version for one in spec.variants
        )
    except (LpwdError, WorkersError):
        return True
    return not same or not spec.keyed.keys() >= set(keys)


def _extended_grid(spec: StudySpec, wanted: StudyExtension) -> StudySpec:
    return replace(
        spec,
        seeds=_union(spec.seeds, wanted.seeds),
        learning_rates=_union(spec.learning_rates, wanted.learning_rates),
        weight_decays=_union(spec.weight_decays, wanted.weight_decays),
        variants=_with_variants(spec.variants, resolve_variants(wanted.optimizers or ())),
    )


def _union(present: tuple[Number, ...], more: tuple[Number, ...] | None) -> tuple[Number, ...]:
    return tuple(sorted(set(present) | set(more or ())))


def _with_variants(present: tuple[Variant, ...], more: tuple[Variant, ...]) -> tuple[Variant, ...]:
    found = list(present)
    for position, variant in enumerate(more):
        if any(variant.settings == other.settings for other in found):
            continue
        if any(variant.label == other.label for other in found):
            raise InvalidRequestError(
                f"the study has an optimizer labelled {variant.label!r} already, with other "
                "hyperparameters; give this one another label",
                field=f"optimizers.{position}.label",
            )
        found.append(variant)
    return tuple(found)


def _extended_search(spec: SearchSpec, wanted: StudyExtension, max_trials: int) -> SearchSpec:
    search = spec.search
    if wanted.seconds is not None and search.seconds is None:
        raise InvalidRequestError(
            "the budget of this search is in points, not in seconds: give points", field="seconds"
        )
    found = replace(
        spec,
        search=replace(
            search,
            points=max(search.points, wanted.points or 0),
            seconds=max(search.seconds or 0.0, wanted.seconds or 0.0) or None,
        ),
    )
    if found.trial_count > max_trials:
        raise InvalidRequestError(
            f"{found.points:,} points with {len(search.seeds)} seeds are {found.trial_count:,} "
            f"trials; this installation takes {max_trials:,} a study (LPWD_MAX_TRIALS)",
            field="points",
        )
    return found
