"""What a trial of every offline task takes in the plain loop, and stacked.

    python -m benchmarks.stacked_layers [--tasks digits-cnn mnist1d-gru …]

Seconds of the training steps of a task's whole budget, with AdamW. "Core": one core, one thread, in
its own processor time, so that other processes matter less. "Machine": the wall time in which all
cores get through a trial, for the plain loop the better of one and two threads, for ours one
process a core with 64 trials each. "Compiled": the same stack of 64 in the numeric mode `compile`,
where a compiler is present. Targets: a trial in a stack of 8 or 64 costs no more than in the loop,
and with 64, eager or compiled, at most a third for the 8×8 and 1-D tasks. One trial alone, K = 1,
is no stack: what the engine adds to it is shown, and has no target.
"""

import sys
import time
from collections.abc import Iterator
from itertools import cycle

import torch

from benchmarks.packs import (
    abreast,
    abreast_step_seconds,
    pack,
    planned_size,
    seconds_each,
    steps,
)
from benchmarks.plain_loop import PlainRun
from benchmarks.report import cores, headline, one_thread, parser, table, verdict, write
from workers import tasks
from workers.training import StackedRun
from workers.training.program import compiler_for

SIZES = (1, 8, 64)
SMALL = ("digits-", "mnist1d-")
"""Names of the 8×8 and 1-D tasks begin so."""
THREEFOLD = 3.0
ALIKE = 0.95
"""Ratio that counts as just as fast."""


def offline() -> list[str]:
    """Return the tasks that train without a download."""
    return [task.name for task in tasks.tasks() if not task.download_bytes]


def plain_steps(run: PlainRun) -> Iterator[None]:
    """Take a step for each item, over and over the full batches of one epoch."""
    size = run.trial.budget.batch_size
    batches = [batch for batch in run.batches() if len(batch[1]) == size]
    for inputs, targets in cycle(batches):
        run.step(inputs, targets)
        yield


def measure(task: str, seconds: float, *, compile_it: bool) -> dict[str, float]:
    """Return seconds a step and trial, by way, and the size that is planned.

    Args:
        task: Its name.
        seconds: That each is timed for.
        compile_it: Whether compiled as well.
    """
    clock = time.process_time
    trial = pack(task, 1).trials[0]
    found = {"plain": seconds_each(plain_steps(PlainRun(trial)), seconds=seconds, clock=clock)}
    for size in SIZES:
        run = StackedRun(pack(task, size))
        found[f"stacked {size}"] = seconds_each(steps(run), seconds=seconds, clock=clock) / size
    size = planned_size(task, SIZES[-1])
    found["size"] = size
    for way, compiled in [("planned", False), ("compiled", True)][: 1 + compile_it]:
        run = StackedRun(pack(task, size, compile_it=compiled))
        found[way] = seconds_each(steps(run), seconds=seconds, clock=clock) / size
    wall = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        wall.append(seconds_each(plain_steps(PlainRun(trial)), seconds=seconds))
    torch.set_num_threads(1)
    found["machine plain"] = min(wall)
    took = abreast(abreast_step_seconds, cores(), task, SIZES[-1], False, seconds)
    found["machine stacked"] = 1 / sum(SIZES[-1] / one for one in took)
    return found


def judge(task: str, found: dict[str, float]) -> bool:
    """Tell whether a task reaches its targets, on one core."""
    ways = (f"stacked {SIZES[-1]}", "planned", "compiled")
    quickest = min(found[way] for way in ways if way in found)
    wanted = THREEFOLD if task.startswith(SMALL) else ALIKE
    never_slower = all(found["plain"] / found[f"stacked {size}"] >= ALIKE for size in SIZES[1:])
    return found["plain"] / quickest >= wanted and never_slower


def row(name: str, steps_each: int, found: dict[str, float]) -> list[str]:
    """Write a task's seconds a trial, and how many times quicker than the loop."""
    largest = f"stacked {SIZES[-1]}"

    def cells(loop: str, ways: list[str]) -> list[str]:
        times = [f"{steps_each * found[way]:.3f}" if way in found else "" for way in ways]
        ratio = f"{found[loop] / found[ways[-1]]:.1f} ×" if ways[-1] in found else ""
        return [*times, ratio]

    return [
        name,
        *cells("plain", ["plain", *(f"stacked {size}" for size in SIZES[:-1]), largest]),
        str(found["size"]),
        *cells("plain", ["planned"]),
        *cells("plain", ["compiled"]),
        *cells("machine plain", ["machine plain", "machine stacked"]),
        verdict(judge(name, found)),
    ]


def main() -> int:
    """Measure all; return 1 where a target is missed."""
    options = parser(__doc__)
    options.add_argument("--tasks", nargs="+", default=offline(), metavar="TASK")
    options.add_argument("--seconds", type=float, default=1.0, help="that each is timed for")
    arguments = options.parse_args()
    one_thread()
    print(headline())
    quick = arguments.quick
    compile_it = compiler_for(torch.device("cpu")) and not quick
    rows, figures, missed = [], {}, False
    for name in arguments.tasks[:1] if quick else arguments.tasks:
        task = tasks.get(name)
        found = measure(name, 0.1 if quick else arguments.seconds, compile_it=compile_it)
        budget = task.epochs * -(-task.examples[0] // task.batch_size)
        missed |= not judge(name, found)
        figures[name] = {way: one if way == "size" else budget * one for way, one in found.items()}
        rows.append(row(name, budget, found))
        print(f"  {name}", file=sys.stderr, flush=True)
    print("\nseconds a trial          core: loop, then stacked          machine: loop, stacked")
    head = ["task", "loop", *(f"K = {size}" for size in SIZES), "ratio", "size", "planned", "ratio"]
    head += ["compiled", "ratio", "loop", "stacked", "ratio", "target"]
    table(head, rows)
    write(arguments.json, figures)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
