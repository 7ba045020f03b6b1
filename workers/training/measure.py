"""What trials of a kind cost in time and memory, by the number trained together.

Stacks of growing size are built and a few of their steps taken, until more would be no quicker,
take too long or not fit.
"""

import math
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from workers.contracts import Measurement, Pack, TrialSpec
from workers.memory import free_bytes, is_exhausted, release
from workers.training.data import SEEDS_KEPT, SeedData, Split, seed_data
from workers.training.run import EVALUATED_AT_ONCE, StackedRun

PATIENCE = 3.0
"""Seconds after which no further stack is tried, in any case."""
WORTH = 0.02
"""Share of the time that all the training takes which may go into measuring."""
STEPS = 3
"""Steps that are timed, at least."""
LOOK = 0.1
"""Seconds that steps are timed for, unless they are slow."""
SLOWER = 1.25
"""Time of a trial, relative to the least so far, from which on larger stacks are not tried."""
STRIDE = 4
"""Ratio of the sizes that are tried first."""


def measure(
    trials: Sequence[TrialSpec],
    device: torch.device | str = "cpu",
    *,
    sharing: int = 1,
    epochs: int = 0,
) -> Measurement:
    """Measure stacks of the first of these trials: 1, 4, 16 …, then between those at the best.

    Args:
        trials: Of one kind, as a pack would hold them: of one task, budget and seed, with the
            optimizers that packs will mix. No larger stack is tried than of all of them.
        device: Where.
        sharing: Workers that share the device's memory.
        epochs: Epochs that a worker will train such trials, all of them together: what takes hours
            is worth a minute.

    Raises:
        Exception: Whatever training would raise; not even one trial fitting into memory is that.
    """
    found = _Search(trials, torch.device(device), sharing)
    sizes = found.sizes()
    found.look(next(sizes))  # whatever it takes: imports, loading, all of which is needed anyway
    clock = _clock(found.device)
    began = clock()
    for size in sizes:
        spent = clock() - began
        if spent > max(PATIENCE, WORTH * epochs * min(found.seconds.values())):
            break
        found.look(size)
    return found.measurement()


class _Search:
    """Sizes tried so far, and what they cost."""

    def __init__(self, trials: Sequence[TrialSpec], device: torch.device, sharing: int) -> None:
        # Compiling takes longer than all of this, and changes little in which size is best.
        plain = replace(trials[0].budget.numerics, compile=False, cuda_graphs=False)
        budget = replace(trials[0].budget, numerics=plain)
        self._pack = Pack(tuple(replace(trial, budget=budget) for trial in trials))
        self.device = device
        self._data = _data_of(self._pack, device)
        self._owned = sum(tensor.nbytes for tensor in _tensors(self._data))
        # This seed's data is there already and counted as the pack's; others' will be beside it.
        self._room = free_bytes(device, sharing) - (SEEDS_KEPT - 2) * self._owned
        self._most = len(trials)
        self._memory: dict[int, int] = {}
        self._busy: dict[int, float] = {}
        self._first_pass = math.inf
        self.seconds: dict[int, float] = {}

    def sizes(self) -> Iterator[int]:
        """Yield the sizes to look at, each when those before it are known."""
        yield 1
        size = 1
        while size < self._most and self.seconds[size] <= SLOWER * min(self.seconds.values()):
            for stride in (STRIDE, 2):
                larger = min(stride * size, self._most)
                if self._fits(larger):
                    break
            else:
                break
            yield larger
            if larger not in self.seconds:
                break
            size = larger
        best = min(self.seconds, key=lambda size: self.seconds[size])
        for size in (best // 2, best * 2):
            if 1 < size < max(self.seconds) and size not in self.seconds:
                yield size

    def _fits(self, size: int) -> bool:
        fixed, each = fit(self._memory, self._owned)
        return fixed + size * each <= self._room

    def look(self, size: int) -> None:
        """Measure stacks of a size; if they do not fit after all, and smaller do, leave it out."""
        try:
            cost = _cost(Pack(self._pack.trials[:size]), self.device, self._data)
        except Exception as error:
            if not self.seconds or not is_exhausted(error):
                raise
            return
        finally:
            release(self.device)
        self._memory[size], self.seconds[size], self._busy[size], first_pass = cost
        # The least: the very first imports what it needs, and larger ones compute for longer.
        self._first_pass = min(self._first_pass, first_pass)

    def measurement(self) -> Measurement:
        """Return what was found."""
        start = self._start()
        fixed, each = fit(self._memory, self._owned)
        return Measurement(
            fixed_bytes=fixed,
            trial_bytes=each,
            free_bytes=max(0, self._room),
            seconds=self.seconds,
            start_seconds=start,
            tracing_seconds=max(0.0, self._first_pass - start),
            busy=self._busy,
        )

    def _start(self) -> float:
        """Time the start of a pack like the largest; sizes that do not fit again are forgotten."""
        while True:
            largest = max(self.seconds)
            try:
                return _start_seconds(Pack(self._pack.trials[:largest]), self.device)
            except Exception as error:
                if len(self.seconds) == 1 or not is_exhausted(error):
                    raise
                del self._memory[largest], self.seconds[largest], self._busy[largest]
            finally:
                release(self.device)


def fit(memory: Mapping[int, int], data: int) -> tuple[int, int]:
    """Fit memory = fixed + size · each, through the smallest stack and the largest.

    A single trial is no stack and takes another course, so it counts only while it stands alone.

    Args:
        memory: Size to bytes at the peak.
        data: Bytes of the data, that part of one trial's memory which others would share.

    Returns:
        Fixed and each, in bytes; zeros while nothing is known.
    """
    if not memory:
        return 0, 0
    largest = max(memory)
    smallest = min(memory.keys() - {1}, default=1)
    if largest == smallest:
        fixed = min(data, memory[largest])
        return fixed, (memory[largest] - fixed) // largest
    each = max(0, (memory[largest] - memory[smallest]) // (largest - smallest))
    return max(0, memory[largest] - largest * each), each


def _data_of(pack: Pack, device: torch.device) -> SeedData:
    """Load the data of a pack's one seed, as its run would."""
    one = pack.trials[0]
    dtype: torch.dtype = getattr(torch, pack.budget.numerics.precision)
    return seed_data(one.task, one.task_version, one.seed, dtype, device)


def _tensors(data: SeedData) -> list[Tensor]:
    splits = (data.train, data.validation, data.test)
    return [tensor for split in splits for tensor in (split.inputs, split.targets)]


def _cost(pack: Pack, device: torch.device, data: SeedData) -> tuple[int, float, float, float]:
    """Return what a pack like none before costs.

    Returns:
        Its peak memory, an epoch's seconds a trial, how busy the device is, and the seconds of the
        first pass, for which all is traced.
    """
    began = time.perf_counter()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        run = _through(pack, device)
        peak = torch.cuda.max_memory_allocated(device)
    else:
        with LiveTensors(_tensors(data)) as live:
            run = _through(pack, device)
        peak = live.peak
    _wait(device)
    first_pass = time.perf_counter() - began
    return peak, _epoch_seconds(run, data) / len(pack.trials), _busy(run), first_pass


def _through(pack: Pack, device: torch.device) -> StackedRun:
    """Build a stack and take it through all that an epoch does."""
    run = StackedRun(pack, device)
    for inputs, targets in islice(run.batches(), 2):
        run.step(inputs, targets)
    run.evaluate(_some)
    return run


def _some(data: SeedData) -> Split:
    """Return as many examples as are evaluated at once."""
    split = max((data.validation, data.test), key=len)
    return Split(split.inputs[:EVALUATED_AT_ONCE], split.targets[:EVALUATED_AT_ONCE])


def _epoch_seconds(run: StackedRun, data: SeedData) -> float:
    """Estimate the time of an epoch and the evaluation after it."""
    steps = run.steps / run.pack.budget.epochs
    evaluated = len(data.validation) + len(data.test)
    step = _least_seconds(_steps(run), run.device)
    look = _least_seconds(_looks(run), run.device)
    return steps * step + look * evaluated / len(_some(data))


def _steps(run: StackedRun) -> Iterator[None]:
    """Take a step for each item, over and over the same epoch's batches."""
    while True:
        for inputs, targets in run.batches():
            run.step(inputs, targets)
            yield


def _looks(run: StackedRun) -> Iterator[None]:
    while True:
        run.evaluate(_some)
        yield


def _least_seconds(work: Iterator[None], device: torch.device) -> float:
    """Time items of work until some time has passed, the first left out.

    Returns the least: whatever else the machine does adds to the others.
    """
    clock = _clock(device)
    next(work)
    took: list[float] = []
    while len(took) < STEPS or sum(took) < LOOK:
        _wait(device)
        began = clock()
        next(work)
        _wait(device)
        took.append(clock() - began)
    return min(took)


def _clock(device: torch.device) -> Callable[[], float]:
    """Return the clock to time a device by.

    Of one thread on a CPU, its own time: others may use that processor too.
    """
    own = device.type == "cpu" and torch.get_num_threads() == 1
    return time.thread_time if own else time.perf_counter


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _busy(run: StackedRun) -> float:
    """Return the share of the time in which a GPU computes; a CPU that is ours always does."""
    if run.device.type != "cuda":
        return 1.0
    steps = _steps(run)
    next(steps)
    _wait(run.device)
    began = time.perf_counter()
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        began = time.perf_counter()
        for _ in range(STEPS):
            next(steps)
        _wait(run.device)
        passed = time.perf_counter() - began
    computed: float = sum(event.device_time_total for event in profiled.key_averages()) / 1e6
    return min(1.0, computed / passed)


def _start_seconds(pack: Pack, device: torch.device) -> float:
    """Return how long a pack like one before takes until its first step."""
    began = time.perf_counter()
    run = StackedRun(pack, device)
    next(_steps(run))
    _wait(device)
    return time.perf_counter() - began


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows the memory of tensors on the CPU: what is alive, and its peak.

    Memory that a kernel takes and gives back within itself is not seen.
    """

    def __init__(self, known: Sequence[Tensor]) -> None:
        """Begin with tensors that are there already."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._now = 0
        self._alive: dict[int, int] = {}
        self._see(known)

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation and look at what it returns."""
        result = func(*args, **(kwargs or {}))
        self._see(found for found in tree_leaves(result) if isinstance(found, Tensor))
        return result

    def _see(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            name = storage._cdata
            if storage.device.type == "cpu" and name not in self._alive:
                self._alive[name] = storage.nbytes()
                self._now += storage.nbytes()
                self.peak = max(self.peak, self._now)
                weakref.finalize(storage, self._forget, name)

    def _forget(self, name: int) -> None:
        self._now -= self._alive.pop(name)
