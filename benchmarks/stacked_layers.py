"""What a trial of every offline task takes in the plain loop, and stacked.

    python -m benchmarks.stacked_layers [--tasks digits-cnn mnist1d-gru …]

Seconds of the training steps of a task's whole budget, with AdamW. "Core": one core, one thread, in
its own processor time, so that other processes matter less. "Machine": the wall time in which all
cores get through a trial, for the plain loop the better of one and two threads, for ours one
process a core with 64 trials each. Targets: a trial in a stack of 8 or 64 costs no more than in
the loop, and with 64 at most a third for the 8×8 and 1-D tasks. One trial alone, K = 1, is no
stack: what the engine adds to it is shown, and has no target.
"""

import sys
import time
from collections.abc import Iterator
from itertools import cycle

import torch

from benchmarks.packs import abreast, abreast_step_seconds, pack, seconds_each, steps
from benchmarks.plain_loop import PlainRun
from benchmarks.report import cores, headline, one_thread, parser, table, verdict, write
from workers import tasks
from workers.training import StackedRun

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


def measure(task: str, seconds: float) -> dict[str, float]:
    """Return seconds a step and trial, by way."""
    clock = time.process_time
    trial = pack(task, 1).trials[0]
    found = {"plain": seconds_each(plain_steps(PlainRun(trial)), seconds=seconds, clock=clock)}
    for size in SIZES:
        run = StackedRun(pack(task, size))
        found[f"stacked {size}"] = seconds_each(steps(run), seconds=seconds, clock=clock) / size
    wall = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        wall.append(seconds_each(plain_steps(PlainRun(trial)), seconds=seconds))
    torch.set_num_threads(1)
    found["machine plain"] = min(wall)
    took = abreast(abreast_step_seconds, cores(), task, SIZES[-1], False, seconds)
    found["machine stacked"] = 1 / sum(SIZES[-1] / one for one in took)
    return found


def judge(task: str, found: dict[str, float]) -> tuple[float, float, bool]:
    """Return the ratios on a core and on the machine, and whether the targets are reached."""
    core = found["plain"] / found[f"stacked {SIZES[-1]}"]
    machine = found["machine plain"] / found["machine stacked"]
    wanted = THREEFOLD if task.startswith(SMALL) else ALIKE
    never_slower = all(found["plain"] / found[f"stacked {size}"] >= ALIKE for size in SIZES[1:])
    return core, machine, core >= wanted and never_slower


def main() -> int:
    """Measure all; return 1 where a target is missed."""
    options = parser(__doc__)
    options.add_argument("--tasks", nargs="+", default=offline(), metavar="TASK")
    options.add_argument("--seconds", type=float, default=1.0, help="that each is timed for")
    arguments = options.parse_args()
    one_thread()
    print(headline())
    names = arguments.tasks[:1] if arguments.quick else arguments.tasks
    rows, figures, missed = [], {}, False
    for name in names:
        task = tasks.get(name)
        found = measure(name, 0.1 if arguments.quick else arguments.seconds)
        budget = task.epochs * -(-task.examples[0] // task.batch_size)
        core, machine, reached = judge(name, found)
        missed |= not reached
        figures[name] = {way: budget * one for way, one in found.items()}
        times = [f"{budget * one:.3f}" for one in found.values()]
        rows.append(
            [name, *times[:4], f"{core:.1f} ×", *times[4:], f"{machine:.1f} ×", verdict(reached)]
        )
        print(f"  {name}", file=sys.stderr, flush=True)
    print("\nseconds a trial          core: loop, then stacked          machine: loop, stacked")
    head = ["task", "loop", *(f"K = {size}" for size in SIZES), "ratio", "loop", "stacked"]
    table([*head, "ratio", "target"], rows)
    write(arguments.json, figures)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
