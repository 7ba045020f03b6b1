"""How much of this machine the stacked step of `digits-mlp` uses, and what a trial costs.

    python -m benchmarks.stacked_step [--sizes 8 32 64 128]

First, the share of the machine's matrix-multiply peak in float32 that training steps reach, eager
and with `NumericMode(compile=True)`. The peak is measured: the best of square products of 256 to
2048, one process of one thread on every core, as workers run; steps are timed in the same way, and
count the products that one trial's forward and backward pass take, nothing else. Target: 50 %,
compiled.

Then the seconds for each trial when 1, 8, 32, 128 and 512 are trained by one worker in the packs
that the planner makes of them: must not rise. Programs are traced before the clock starts.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.packs import abreast, abreast_step_seconds, pack, seconds_each, together
from benchmarks.plain_loop import PlainRun
from benchmarks.report import cores, headline, one_thread, parser, table, verdict, write
from service.runner.sizing import PackSizes
from workers.contracts import Pack, TrialSpec
from workers.training import train
from workers.training.measure import measure
from workers.training.program import compiler_for

TASK = "digits-mlp"
SHARE = 0.5
"""Of the peak, to be reached."""
RISE = 1.1
"""Time of a trial relative to the least with fewer trials that still counts as not risen."""
TRIALS = (1, 8, 32, 128, 512)
SECONDS = 2.0


def step_flops() -> int:
    """Count the floating-point operations of products in one trial's step."""
    run = PlainRun(pack(TASK, 1).trials[0])
    inputs, targets = next(run.batches())
    with FlopCounterMode(display=False) as counter:
        run.problem.loss(run.model(inputs), targets).backward()
    return int(counter.get_total_flops())


def product_flops(size: int, seconds: float) -> float:
    """Return operations a second of a square product, in one of the processes of `abreast`."""
    left, right = torch.rand(size, size), torch.rand(size, size)
    out = torch.empty(size, size)

    def products() -> Iterator[None]:
        while True:
            torch.mm(left, right, out=out)
            yield

    work = products()
    next(work)
    together()
    return 2 * size**3 / seconds_each(work, seconds=seconds)


def peak(sizes: tuple[int, ...], seconds: float) -> float:
    """Return the machine's operations a second in products, all cores together."""
    return max(sum(abreast(product_flops, cores(), size, seconds)) for size in sizes)


def shares(sizes: list[int], seconds: float, quick: bool) -> dict[str, dict[int, float]]:
    """Print and return the share of the peak, by mode and pack size."""
    best = peak((256,) if quick else (256, 512, 1024, 2048), seconds)
    each = step_flops()
    print(f"peak of products: {best / 1e9:.0f} GFLOP/s on {cores()} cores, one thread each")
    print(f"a step of one trial: {each / 1e6:.2f} MFLOP in products\n")
    modes = {"eager": False}
    if compiler_for(torch.device("cpu")):
        modes["compiled"] = True
    else:
        print("no C++ compiler here: eager only")
    found: dict[str, dict[int, float]] = {mode: {} for mode in modes}
    for mode, compile_it in modes.items():
        for size in sizes:
            took = abreast(abreast_step_seconds, cores(), TASK, size, compile_it, seconds)
            found[mode][size] = sum(size * each / one for one in took) / best
    table(
        ["trials in the pack", *modes],
        [[str(size), *(f"{100 * found[mode][size]:.0f} %" for mode in modes)] for size in sizes],
    )
    if "compiled" in found:
        most = max(found["compiled"].values())
        print(f"target {100 * SHARE:.0f} %, compiled: {verdict(most >= SHARE)}\n")
    return found


def planned(trials: tuple[TrialSpec, ...]) -> list[Pack]:
    """Plan as the runner does for one worker: measure, then divide."""
    sizes = PackSizes()
    question = sizes.open_question(TASK, trials)
    if question is not None:
        epochs = len(trials) * trials[0].budget.epochs
        sizes.learn(TASK, measure(question.trials, epochs=epochs))
    return sizes.plan(TASK, trials, workers=1)


def by_trials(counts: tuple[int, ...], epochs: int | None) -> dict[int, float]:
    """Print and return the seconds of each trial, by how many there are to train."""
    found: dict[int, float] = {}
    rows = []
    for count in counts:
        packs = planned(pack(TASK, count, epochs=epochs).trials)
        for size in {len(one.trials) for one in packs}:
            _train(pack(TASK, size, epochs=1))
        began = time.perf_counter()
        for one in packs:
            _train(one)
        found[count] = (time.perf_counter() - began) / count
        size = statistics.fmean(len(one.trials) for one in packs)
        rows.append([str(count), f"{len(packs)} × {size:.0f}", f"{found[count]:.4f}"])
    table(["trials", "packs", "s/trial"], rows)
    print(f"target: must not rise; {verdict(not _rises(list(found.values())))}")
    return found


def _train(one: Pack) -> None:
    for _ in train(one):
        pass


def _rises(seconds: list[float]) -> bool:
    return any(now > RISE * min(seconds[:n]) for n, now in enumerate(seconds) if n)


def share_and_seconds(
    sizes: list[int], seconds: float, *, quick: bool
) -> tuple[dict[str, Any], bool]:
    """Measure both, in packs of these sizes, each for so many seconds, or all small and quick.

    Returns:
        The figures, and whether the targets are reached.
    """
    share = shares([8] if quick else sizes, 0.2 if quick else seconds, quick)
    trials = by_trials((1, 8) if quick else TRIALS, 2 if quick else None)
    most = max(share.get("compiled", {0: SHARE}).values())
    reached = most >= SHARE and not _rises(list(trials.values()))
    return {"share_of_peak": share, "seconds_per_trial": trials}, reached


def main() -> int:
    """Measure both; return 1 where a target is missed."""
    options = parser(__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=[8, 16, 32, 64, 128])
    options.add_argument("--seconds", type=float, default=SECONDS, help="that each is timed for")
    arguments = options.parse_args()
    one_thread()
    print(headline())
    figures, reached = share_and_seconds(arguments.sizes, arguments.seconds, quick=arguments.quick)
    write(arguments.json, figures)
    return int(not reached)


if __name__ == "__main__":
    sys.exit(main())
