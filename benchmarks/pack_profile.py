"""Where the time of a pack's training steps goes.

    python -m benchmarks.pack_profile [--tasks digits-mlp digits-cnn mnist1d-gru] [--size 48]

Some steps of a pack of the size that the planner chooses are run under `torch.profiler`, on one
core, eager and compiled, after programs were traced. A tensor kernel is any operation that the
profiler names `aten::…` or that the compiler made; its time is its own, without what it calls.
Everything else is outside: Python, and the profiler itself, which takes about a microsecond an
operation. So the share is counted twice: against the wall time under the profiler (at most), and
against the wall time of as many steps without it (at least). Target: under 5 %; where that lies
between the two bounds, it is open.
"""

import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.packs import WARM, pack, seconds_each, steps
from benchmarks.report import headline, one_thread, parser, table, verdict, write
from workers.packing import best_size
from workers.training import StackedRun
from workers.training.measure import measure
from workers.training.program import compiler_for

TASKS = ("digits-mlp", "digits-cnn", "mnist1d-gru")
LARGEST = 128
"""Trials of the largest pack that the planner is asked about."""
TARGET = 0.05
SHOWN = 10


def planned_size(task: str) -> int:
    """Return how many trials the planner would train together."""
    trials = pack(task, LARGEST).trials
    return best_size(measure(trials, epochs=len(trials) * trials[0].budget.epochs))


def look(task: str, size: int, compiled: bool, count: int) -> dict[str, Any]:
    """Profile some steps; returns shares and the most expensive kernels."""
    work = steps(StackedRun(pack(task, size, compile_it=compiled)))
    seconds = 0.2 if count < 10 else 1.0
    before = seconds_each(work, seconds=seconds)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        list(islice(work, WARM))
        began = time.perf_counter()
        _take(work, count)
        wall = (time.perf_counter() - began) / count
    plain = min(before, seconds_each(work, seconds=seconds))
    share = count / (count + WARM)
    kernels = {
        event.key: event.self_cpu_time_total / 1e6 / count * share
        for event in profiled.key_averages()
        if event.key.startswith("aten::") or "graph_" in event.key or "cpp_fused" in event.key
    }
    busy = sum(kernels.values())
    top = sorted(kernels.items(), key=lambda item: -item[1])[:SHOWN]
    return {
        "size": size,
        "step_seconds": plain,
        "profiled_step_seconds": wall,
        "outside_at_most": 1 - busy / wall,
        "outside_at_least": max(0.0, 1 - busy / plain),
        "kernels": {name: seconds / busy for name, seconds in top},
    }


def _take(work: Iterator[None], count: int) -> None:
    for _ in range(count):
        next(work)


def main() -> int:
    """Profile all; return 1 where more than the target is surely outside."""
    options = parser(__doc__)
    options.add_argument("--tasks", nargs="+", default=list(TASKS), metavar="TASK")
    options.add_argument("--size", type=int, help="trials in the pack; the planner's choice")
    options.add_argument("--steps", type=int, default=100)
    arguments = options.parse_args()
    torch._inductor.config.cpp.enable_kernel_profile = True
    one_thread()
    print(headline())
    modes = {"eager": False}
    if compiler_for(torch.device("cpu")) and not arguments.quick:
        modes["compiled"] = True
    rows, figures = [], {}
    for task in arguments.tasks[:1] if arguments.quick else arguments.tasks:
        size = arguments.size or planned_size(task)
        for mode, compiled in modes.items():
            found = look(task, size, compiled, 5 if arguments.quick else arguments.steps)
            figures[f"{task} {mode}"] = found
            low, high = found["outside_at_least"], found["outside_at_most"]
            rows.append(
                [
                    f"{task}, {mode}",
                    str(size),
                    f"{1e3 * found['step_seconds']:.2f} ms",
                    f"{100 * low:.1f} – {100 * high:.1f} %",
                    "open" if low < TARGET < high else verdict(high <= TARGET),
                ]
            )
    print()
    table(["pack", "trials", "step", "outside kernels", "under 5 %"], rows)
    for name, found in figures.items():
        print(f"\n{name}: of the time in kernels")
        for kernel, share in found["kernels"].items():
            print(f"  {100 * share:5.1f} %  {kernel}")
    write(arguments.json, figures)
    return int(any(found["outside_at_least"] >= TARGET for found in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
