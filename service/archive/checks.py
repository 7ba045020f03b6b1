"""Whether the records of an archive belong together, and are what they say: pure."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from pydantic import ValidationError

import lpwd.catalogue as optimizers
from lpwd.errors import LpwdError
from service.archive.errors import ArchiveRefusedError
from service.archive.model import PointRecord, StudyRecord, TrialRecord
from service.archive.reading import Archive
from service.search.planning import SearchSpec
from service.search.schemas import ANY_STUDY
from service.studies.model import Details, StudyState
from service.studies.planning import StudySpec, budget_from_json, settings_of
from service.studies.resending import request_of
from service.trials.model import KNOWN, TrialState
from workers import tasks
from workers.contracts import CURVES, ENGINE_VERSION, TrialSpec
from workers.errors import UnknownTaskError
from workers.search.contracts import FINAL, LEARNING_RATE, WEIGHT_DECAY, PointState, Search

FLOAT_BYTES = 4


def check(archive: Archive, *, max_trials: int) -> StudySpec | SearchSpec:
    """Check an archive as a whole; returns what its study asks for.

    Raises:
        ArchiveRefusedError: It was written by a newer lpwd, names what is not in the catalogue, or
            something in it does not fit the rest.
    """
    if archive.manifest.engine > ENGINE_VERSION:
        raise ArchiveRefusedError(
            f"it was written with version {archive.manifest.engine} of the training engine, and "
            f"this lpwd has {ENGINE_VERSION}: update it"
        )
    spec = _spec(archive.study, max_trials)
    for trial in archive.trials:
        _check_trial(trial)
    keys = [trial.key for trial in archive.trials]
    if len(set(keys)) != len(keys):
        raise ArchiveRefusedError("trials.jsonl has a trial twice")
    if isinstance(spec, StudySpec):
        _check_grid(spec, archive)
    else:
        _check_search(spec.search, archive)
    _check_state(archive)
    return spec


def _spec(study: StudyRecord, max_trials: int) -> StudySpec | SearchSpec:
    """Read a study's canonical form, and see whether it could have been sent."""
    kind = SearchSpec if study.spec.get("mode") == "search" else StudySpec
    try:
        spec = kind.from_json(study.spec)
        same = spec.to_json() == study.spec and spec.name == study.name
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ArchiveRefusedError(
            f"study.json: spec is not in the form that we write: {type(error).__name__}"
        ) from error
    if not same:
        raise ArchiveRefusedError("study.json: spec is not in the form that we write")
    _check_catalogue(spec)
    try:
        ANY_STUDY.validate_python(request_of(spec, Details()))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(map(str, first["loc"]))
        raise ArchiveRefusedError(f"study.json: {path}: {first['msg']}"[:500]) from error
    if spec.trial_count > max_trials:
        raise ArchiveRefusedError(
            f"its study has {spec.trial_count:,} trials; this installation takes {max_trials:,} "
            "(LPWD_MAX_TRIALS)"
        )
    return spec


def _check_catalogue(spec: StudySpec | SearchSpec) -> None:
    """See whether this installation knows what was trained: its pages speak of it."""
    try:
        task = tasks.get(spec.task)
    except UnknownTaskError as error:
        raise ArchiveRefusedError(f"{error}; install what offers it") from error
    version = spec.task_version if isinstance(spec, StudySpec) else spec.search.task_version
    if version > task.version:
        raise ArchiveRefusedError(
            f"it trained version {version} of task {task.name}, and here is {task.version}: update"
        )
    trained = spec.variants if isinstance(spec, StudySpec) else spec.search.optimizers
    labels = [one.label for one in trained]
    if len(set(labels)) != len(labels):
        raise ArchiveRefusedError("study.json: two optimizers have one label")
    for one in trained:
        try:
            entry = optimizers.get(one.name)
        except LpwdError as error:
            raise ArchiveRefusedError(f"{error}; install what offers it") from error
        if one.version > entry.version:
            raise ArchiveRefusedError(
                f"it trained version {one.version} of {one.name}, and here is {entry.version}: "
                "update"
            )
        if one.version == entry.version:
            _check_settings(one.name, one.hyperparameters)


def _check_settings(name: str, hyperparameters: Mapping[str, object]) -> None:
    try:
        resolved = optimizers.get(name).resolve(hyperparameters)
    except LpwdError as error:
        raise ArchiveRefusedError(f"study.json: {error}") from error
    if settings_of(name, resolved) != settings_of(name, hyperparameters):
        raise ArchiveRefusedError(f"study.json: not all hyperparameters of {name} are there")


def _check_trial(trial: TrialRecord) -> None:
    try:
        given = {
            "epochs": trial.epochs,
            "batch_size": trial.batch_size,
            "schedule": trial.schedule,
            "numerics": trial.numerics,
        }
        key = TrialSpec(
            task=trial.task,
            task_version=trial.task_version,
            optimizer=trial.optimizer,
            optimizer_version=trial.optimizer_version,
            learning_rate=trial.learning_rate,
            weight_decay=trial.weight_decay,
            seed=trial.seed,
            budget=budget_from_json(given),
            hyperparameters=trial.hyperparameters,
            engine_version=trial.engine_version,
        ).key
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveRefusedError(f"trial {trial.key}: {error}"[:300]) from error
    if key != trial.key:
        raise ArchiveRefusedError(
            f"trial {trial.key} is not what its key says: what it holds has the key {key}"
        )
    if trial.engine_version > ENGINE_VERSION:
        raise ArchiveRefusedError(f"trial {trial.key} is of a newer training engine: update lpwd")
    for said in _wrong_result(trial):
        raise ArchiveRefusedError(f"trial {trial.key} {said}")


def _wrong_result(trial: TrialRecord) -> Iterator[str]:
    """Yield what a trial's result has that none of its state can have."""
    done, known = trial.state is TrialState.DONE, trial.state in KNOWN
    values = {name: getattr(trial, name) for name in CURVES}
    if trial.state is TrialState.RUNNING:
        yield "is running, and archives are of what has ended"
    if (
        trial.epochs_done > trial.epochs
        or (done and trial.epochs_done != trial.epochs)
        or (known and trial.epochs_done == 0)
    ):
        yield f"is {trial.state} after {trial.epochs_done} of {trial.epochs} epochs"
    if done and (values["test_score"] is None or values["validation_score"] is None):
        yield "is done and has no score"
    if not done and any(value is not None for value in values.values()):
        yield f"is {trial.state} and has scores"
    if trial.state in (TrialState.DIVERGED, TrialState.FAILED) and trial.reason is None:
        yield f"is {trial.state} for no reason"
    if known != (trial.finished_at is not None):
        yield f"is {trial.state}, which its time of ending does not fit"
    if trial.curves is not None:
        yield from _wrong_curves(trial, values)


def _wrong_curves(trial: TrialRecord, values: Mapping[str, float | None]) -> Iterator[str]:
    if trial.state not in KNOWN:
        yield f"is {trial.state} and has curves"
        return
    curves = _unpacked(trial.curves or b"", len(CURVES) * trial.epochs_done)
    if curves is None:
        yield "has curves that are damaged, or of another length"
        return
    if trial.state is TrialState.DONE:
        last = curves.reshape(len(CURVES), -1)[:, -1].astype(float)
        said = np.array([np.nan if values[name] is None else values[name] for name in CURVES])
        if not np.array_equal(last, said, equal_nan=True):
            yield "has curves that end with other values than its scores"


def _unpacked(data: bytes, numbers: int) -> np.ndarray[tuple[int], np.dtype[np.float32]] | None:
    """Inflate so many numbers and not one more; None where there are others."""
    inflate = zlib.decompressobj()
    size = numbers * FLOAT_BYTES
    try:
        found = inflate.decompress(data, size + 1)
    except zlib.error:
        return None
    whole = inflate.eof and not inflate.unused_data and len(found) == size
    return np.frombuffer(found, "<f4") if whole else None


def _check_grid(spec: StudySpec, archive: Archive) -> None:
    """See whether the trials are those of the grid, each once."""
    labels = {one.settings: (one.label, one.version) for one in spec.variants}
    wanted = set(product(labels.values(), spec.learning_rates, spec.weight_decays, spec.seeds))
    for trial in archive.trials:
        label = labels.get(settings_of(trial.optimizer, trial.hyperparameters))
        place = (label, trial.learning_rate, trial.weight_decay, trial.seed)
        same = (
            (trial.task, trial.task_version) == (spec.task, spec.task_version)
            and label is not None
            and label[1] == trial.optimizer_version
            and (trial.epochs, trial.batch_size) == (spec.budget.epochs, spec.budget.batch_size)
            and trial.schedule == spec.budget.schedule
            and trial.numerics == vars(spec.budget.numerics)
        )
        if not same or place not in wanted:
            raise ArchiveRefusedError(f"trial {trial.key} is no part of the study's grid")
        wanted.discard(place)
    if wanted:
        raise ArchiveRefusedError(f"{len(wanted):,} trials of the study's grid are missing")


def _check_search(search: Search, archive: Archive) -> None:
    """See whether points are of this search, and trials of its points."""
    by_label = {one.label: one for one in search.optimizers}
    keys: set[str] = set()
    seen: set[tuple[str, int]] = set()
    for point in archive.points:
        name = f"point {point.number} of {point.optimizer[:60]}"
        optimizer = by_label.get(point.optimizer)
        if optimizer is None or (point.optimizer, point.number) in seen:
            raise ArchiveRefusedError(f"{name} is none of the search, or there twice")
        seen.add((point.optimizer, point.number))
        if set(point.parameters) != {parameter.name for parameter in optimizer.space}:
            raise ArchiveRefusedError(f"{name} has other parameters than are searched")
        rates = (point.parameters[LEARNING_RATE], point.parameters[WEIGHT_DECAY])
        if rates != (point.learning_rate, point.weight_decay):
            raise ArchiveRefusedError(f"{name} has two learning rates or weight decays")
        for said in _wrong_point(point, search):
            raise ArchiveRefusedError(f"{name} {said}")
        keys |= {trial.key for trial in search.trials(optimizer, point.parameters)}
    for trial in archive.trials:
        if trial.key not in keys or trial.state not in KNOWN:
            raise ArchiveRefusedError(f"trial {trial.key} is of no point of the search")
    for told in archive.importances:
        if told.optimizer not in by_label:
            raise ArchiveRefusedError("importances.jsonl speaks of an optimizer that is not there")
    if len({told.optimizer for told in archive.importances}) != len(archive.importances):
        raise ArchiveRefusedError("importances.jsonl speaks of an optimizer twice")


def _wrong_point(point: PointRecord, search: Search) -> Iterator[str]:
    if point.number >= search.points:
        yield "is more than every optimizer is given"
    if point.state is PointState.RUNNING or point.finished_at is None:
        yield "has not ended"
    if point.epochs_done > search.budget.epochs or point.diverged > len(search.seeds):
        yield "trained longer, or with more seeds, than the search allows"
    if point.state is not PointState.FAILED and (point.value is None or point.epochs_done == 0):
        yield f"is {point.state} and has no value"
    if point.state is PointState.DONE and point.test_value is None:
        yield "is done and has no test score"
    if point.state in (PointState.DIVERGED, PointState.FAILED) and point.reason is None:
        yield f"is {point.state} for no reason"
    if point.scores is not None:
        numbers = point.epochs_done * len(search.seeds)
        if _unpacked(point.scores, numbers) is None:
            yield "has scores that are damaged, or of another length"
    elif point.epochs_done and point.state in FINAL:
        yield "has no scores"


def _check_state(archive: Archive) -> None:
    study = archive.study
    if not study.state.final or study.finished_at is None:
        raise ArchiveRefusedError(f"its study is {study.state}: only what has ended is imported")
    states = {trial.state for trial in archive.trials}
    if study.state is StudyState.DONE and not states <= KNOWN:
        raise ArchiveRefusedError("its study is done, and some trials have no result")
    if study.state is StudyState.FAILED and study.error is None:
        raise ArchiveRefusedError("study.json: the study failed for no reason")
    _check_order(study, archive.trials)


def _check_order(study: StudyRecord, trials: Sequence[TrialRecord]) -> None:
    if study.reused > len(trials):
        raise ArchiveRefusedError("study.json: more trials were reused than there are")
    if len(set(study.tags)) != len(study.tags):
        raise ArchiveRefusedError("study.json: a tag is there twice")
