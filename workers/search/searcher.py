"""Optuna's proposals, for every optimizer by itself. Imports Ray and Optuna."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from workers.contracts import Pack
from workers.search.contracts import (
    ENOUGH,
    FINAL,
    KnownTrial,
    Message,
    Past,
    PointEnded,
    PointEpoch,
    PointState,
    Proposed,
    SearchedOptimizer,
    SearchJob,
    Value,
    Weighed,
)
from workers.search.importance import importance
from workers.search.ledger import Ledger
from workers.search.optuna_space import suggest, told
from workers.search.record import PointRecord
from workers.search.trainable import EPOCH, FAILURE, SCORE, TASK, PointTask

WEIGH_EVERY = 60.0
"""Seconds between two looks at how important hyperparameters are, which take about one."""

Ask = Callable[[Proposed], tuple[KnownTrial, ...] | None]
Tell = Callable[[Message], None]


@dataclass
class _Open:
    """A point in training."""

    label: str
    number: int
    parameters: Mapping[str, Value]
    record: PointRecord
    seconds: float = 0.0


class SearchEach(Searcher):
    """One `OptunaSearch` an optimizer, in turn; tells what becomes of every point."""

    def __init__(
        self, job: SearchJob, *, gpu: bool, memory: int | None, ask: Ask, tell: Tell
    ) -> None:
        """Tell Optuna of the points that ended before.

        Args:
            job: What to search.
            gpu: Whether points are trained on GPUs.
            memory: Bytes that a worker on a CPU may take for a point; None for all there is.
            ask: Announces a point; returns its trials' results where all are known.
            tell: Takes what happens to points.
        """
        mode = "max" if job.maximize else "min"
        super().__init__(metric=SCORE, mode=mode)
        self._job = job
        self._gpu = gpu
        self._memory = memory
        self._ask = ask
        self._tell = tell
        self._optimizers = {one.label: one for one in job.search.optimizers}
        self._ledger = Ledger(job.search)
        self._optuna: dict[str, OptunaSearch] = {}
        for position, optimizer in enumerate(job.search.optimizers):
            past = job.past.get(optimizer.label, ())
            self._ledger.recall(optimizer.label, past)
            seed = sampler_seed(job.search.sampler_seed, position, len(past))
            self._optuna[optimizer.label] = _optuna_search(optimizer, past, mode, seed)
        self._open: dict[str, _Open] = {}
        self._final: dict[str, list[tuple[Mapping[str, Value], float]]] = {
            label: [
                (point.parameters, point.value)
                for point in job.past.get(label, ())
                if point.state in FINAL and point.value is not None
            ]
            for label in self._optimizers
        }
        self._weighed: dict[str, int] = dict.fromkeys(self._optimizers, 0)
        self._weighed_at = time.monotonic()

    def weigh(self) -> None:
        """Tell how important hyperparameters are, where that has changed."""
        for label, optimizer in self._optimizers.items():
            final = self._final[label]
            if len(final) >= ENOUGH and len(final) > self._weighed[label]:
                shares = importance(optimizer.space, final)
                self._tell(Weighed(label, len(final), tuple(shares.items())))
                self._weighed[label] = len(final)
        self._weighed_at = time.monotonic()

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """Propose a point for the optimizer whose turn it is."""
        label = self._ledger.next()
        if label is None:
            finished: Any = Searcher.FINISHED
            return finished  # type: ignore[no-any-return]  # a string, which Ray knows
        optimizer = self._optimizers[label]
        suggested: Any = self._optuna[label].suggest(trial_id)
        parameters = {one.name: suggested[one.name] for one in optimizer.space}
        number = self._ledger.begin(label)
        known = self._ask(Proposed(label, number, parameters))
        search = self._job.search
        record = PointRecord(len(search.seeds), self._job.chance)
        self._open[trial_id] = _Open(label, number, parameters, record)
        pack = Pack(search.trials(optimizer, parameters))
        task = PointTask(
            label, number, pack, self._job.chance, gpu=self._gpu, memory=self._memory, known=known
        )
        return {TASK: task}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass on an epoch of a point that goes on."""
        point = self._open[trial_id]
        self._note(point, result[EPOCH])
        self._optuna[point.label].on_trial_result(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass on the end of a point: with its last epoch, or without any where it is lost."""
        point = self._open.pop(trial_id)
        inner = self._optuna[point.label]
        reason = LOST if result is None or error else result.get(FAILURE)
        if result is None or reason is not None:
            inner.on_trial_complete(trial_id, None, error=True)
            self._end(point, PointState.FAILED, reason)
            return
        self._note(point, result[EPOCH])
        inner.on_trial_result(trial_id, result)
        if point.record.all_diverged:
            inner.on_trial_complete(trial_id, result)
            self._end(point, PointState.DIVERGED, _reasons(point.record))
        elif point.record.epochs >= self._job.search.budget.epochs:
            inner.on_trial_complete(trial_id, result)
            self._end(point, PointState.DONE, None)
        else:
            # Without a result, Optuna takes it for pruned, and knows its values up to there.
            inner.on_trial_complete(trial_id, None)
            self._end(point, PointState.PRUNED, None)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: what is to be kept is in the database."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Nothing is saved, and nothing restored."""
        raise NotImplementedError(f"a search goes on from the database, not from {checkpoint_path}")

    def _note(self, point: _Open, epoch: PointEpoch) -> None:
        if epoch.epoch == 1:  # the first, or once more after its process was lost
            point.record = PointRecord(len(self._job.search.seeds), self._job.chance)
            point.seconds = 0.0
        point.record.add(epoch.values, epoch.diverged)
        self._ledger.spend(point.label, epoch.seconds - point.seconds)
        point.seconds = epoch.seconds
        self._tell(epoch)

    def _end(self, point: _Open, state: PointState, reason: str | None) -> None:
        self._ledger.end(point.label, state)
        self._tell(PointEnded(point.label, point.number, state, reason))
        if state in FINAL:
            self._final[point.label].append((point.parameters, point.record.value()))
        if time.monotonic() - self._weighed_at > WEIGH_EVERY:
            self.weigh()


LOST = "the workers that trained it died, time and again; most often memory runs out"


def sampler_seed(seed: int, position: int, told: int) -> int:
    """Derive the seed of an optimizer's sampler.

    It depends on how many points the sampler is told of at its start: the same seed again would
    propose the points again that came after the first start.
    """
    return int(np.random.SeedSequence([seed, position, told]).generate_state(1)[0])


def _optuna_search(
    optimizer: SearchedOptimizer, past: tuple[Past, ...], mode: str, seed: int
) -> OptunaSearch:
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(
        storage=storage,
        study_name=optimizer.label,
        direction="maximize" if mode == "max" else "minimize",
    )
    study.add_trials([told(optimizer.space, point) for point in past])
    return OptunaSearch(
        lambda trial: suggest(trial, optimizer.space),
        metric=SCORE,
        mode=mode,
        sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True),
        study_name=optimizer.label,
        storage=storage,
    )


def _reasons(record: PointRecord) -> str:
    return "; ".join(dict.fromkeys(record.diverged[seed] for seed in sorted(record.diverged)))
