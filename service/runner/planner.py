"""What a study still has to train, as packs in their order."""

import logging
from collections import deque

from service.db import Database
from service.queue import Lease
from service.queue.results import claim_trials, missing
from service.runner.checkpoints import Checkpoints
from service.runner.pack_run import PackRun
from service.runner.sizing import PackSizes
from service.studies.planning import StudySpec, settings_of
from service.studies.repository import load_spec
from workers.contracts import Measurement, Pack, TrialSpec
from workers.packing import best_size, packs_per_gpu

logger = logging.getLogger(__name__)

WORTH_SHARING = 120.0
"""Seconds of training from which on it is worth to start workers anew, more of them a GPU."""


class Planner:
    """Divides what is missing into packs, and claims a pack's trials when its turn comes.

    The database is asked again whenever a plan is used up: others may have trained some of it.
    """

    def __init__(
        self, database: Database, lease: Lease, sizes: PackSizes, checkpoints: Checkpoints
    ) -> None:
        """Plan for the study of a lease.

        Args:
            database: Where the study is.
            lease: On the study.
            sizes: Chooses how many trials train together.
            checkpoints: Of packs that were begun before.
        """
        self._database = database
        self._lease = lease
        self._sizes = sizes
        self._checkpoints = checkpoints
        with database.read() as session:
            self._learn_spec(load_spec(session, lease.study_id))
        self._begun_before = True
        """Whether to look for checkpoints: at first, and when a worker was lost."""
        self.waiting: deque[PackRun] = deque()
        """Packs that were planned and not begun."""

    def _learn_spec(self, spec: StudySpec) -> None:
        self._spec = spec
        self._labels = _labels(spec)
        self._kind = (spec.task, spec.task_version, spec.budget, frozenset(self._labels))
        self._trials = spec.keyed

    @property
    def measurement(self) -> Measurement | None:
        """What was measured of trials like the study's."""
        return self._sizes.measurement(self._kind)

    def label(self, trial: TrialSpec) -> str:
        """Return the name that a trial's optimizer has in the study."""
        return self._labels[settings_of(trial.optimizer, trial.hyperparameters)]

    def outdated(self) -> bool:
        """Tell whether the study asks for trials that the present code would not train as such."""
        with self._database.read() as session:
            return not self._trials.keys() >= set(missing(session, self._lease.study_id))

    def gpu_sharing(self) -> int | None:
        """Return how many packs should share a GPU; None while that is not known.

        Where little is left to train, one: starting workers anew would take longer.
        """
        found = self.measurement
        if found is None or not found.busy:
            return None
        size = best_size(found, epochs=self._spec.budget.epochs)
        with self._database.read() as session:
            left = len(missing(session, self._lease.study_id))
        if left * self._spec.budget.epochs * found.seconds[size] < WORTH_SHARING:
            return 1
        return packs_per_gpu(found.busy[size])

    def plan(self, workers: int, sharing: int = 1) -> tuple[Pack, int] | None:
        """Look into the database for what is missing, if the last plan is used up.

        Args:
            workers: How many packs run at the same time.
            sharing: How many of those share the memory that was measured as free.

        Returns:
            None; or trials to be measured before there can be a plan, and how many epochs a
            worker will have to train.
        """
        if self.waiting and not self._begun_before:
            return None
        with self._database.read() as session:
            keys = missing(session, self._lease.study_id)
            if not self._trials.keys() >= set(keys):  # it was extended
                self._learn_spec(load_spec(session, self._lease.study_id))
        if self._begun_before:
            self._begun_before = False
            self._resume(set(keys))
        planned = {key for run in self.waiting for key in run.open_keys}
        trials = [self._trials[key] for key in keys if key not in planned]
        if not trials:
            return None
        unknown = self._sizes.open_question(self._kind, trials)
        if unknown is not None:
            return unknown, len(trials) * self._spec.budget.epochs // workers
        packs = self._sizes.plan(self._kind, trials, workers=workers, sharing=sharing)
        self.waiting.extend(PackRun(pack) for pack in packs)
        logger.info(
            "study %s: %d trials in %d packs of at most %d",
            self._lease.study_id,
            len(trials),
            len(packs),
            max(len(pack.trials) for pack in packs),
        )
        return None

    def _resume(self, wanted: set[str]) -> None:
        """Put packs that left a checkpoint at the head, for those of their trials still wanted."""
        there = {tuple(run.keys) for run in self.waiting}
        for saved in self._checkpoints.load(self._lease.study_id):
            # Those of which nothing is wanted may be in training just now.
            if saved.keys in there or not wanted.intersection(saved.keys):
                continue
            if not self._trials.keys() >= set(saved.keys):
                self._checkpoints.remove(self._lease.study_id, saved.keys)
                continue
            run = PackRun(Pack(tuple(self._trials[key] for key in saved.keys)), saved)
            run.only(wanted)
            if run.open:
                self.waiting.appendleft(run)

    def next(self) -> PackRun | None:
        """Take the next pack whose trials are still to be had; None when the plan is used up.

        It leaves the plan once the database has answered: before that, it may be asked for again.
        """
        while self.waiting:
            run = self.waiting[0]
            labels = {self.label(run.pack.trials[position]) for position in run.open}
            ours = claim_trials(self._database, self._lease, run.open_keys, labels)
            self.waiting.popleft()
            if run.saved is None:
                trials = tuple(trial for trial in run.pack.trials if trial.key in ours)
                if trials:
                    return PackRun(Pack(trials))
            else:
                run.only(ours)
                if run.open:
                    return run
        return None

    def learn(self, measurement: Measurement | None) -> None:
        """Remember what trials like the study's cost; None when that cannot be found out."""
        self._sizes.learn(self._kind, measurement)

    def too_large(self, size: int) -> None:
        """Plan anew, in packs at most half as large as this."""
        self._sizes.too_large(self._kind, size)
        self.waiting.clear()
        self.look_for_checkpoints()

    def again(self, run: PackRun) -> None:
        """Put what is open of a pack at the head, to begin anew."""
        trials = tuple(run.pack.trials[position] for position in run.open)
        self.waiting.appendleft(PackRun(Pack(trials)))

    def apart(self, run: PackRun) -> None:
        """Put what is open of a pack that failed at the head, divided, to find out what fails.

        By optimizer first, as errors mostly are one's; then in halves.
        """
        trials = [run.pack.trials[position] for position in run.open]
        by_label: dict[str, list[TrialSpec]] = {}
        for trial in trials:
            by_label.setdefault(self.label(trial), []).append(trial)
        parts = list(by_label.values())
        if len(parts) == 1:
            half = len(trials) // 2
            parts = [trials[:half], trials[half:]]
        self.waiting.extendleft(PackRun(Pack(tuple(part))) for part in reversed(parts))

    def look_for_checkpoints(self) -> None:
        """Have the next look into the database find packs that were begun and lost."""
        self._begun_before = True


def _labels(spec: StudySpec) -> dict[tuple[str, str], str]:
    return {variant.settings: variant.label for variant in spec.variants}
