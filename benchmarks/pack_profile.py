"""Where the time of a pack's training steps goes.

    python -m benchmarks.pack_profile [--tasks digits-mlp digits-cnn mnist1d-gru] [--size 48]

Steps of a pack of the size that the planner chooses are sampled by Linux's `perf` on one core,
eager and compiled, after programs were traced. A sample is in a tensor kernel if its stack is in an
operator of PyTorch's, called on tensors, in a library's product, or in a kernel that the compiler
made. Everything else is outside: Python, its calls into PyTorch, and memory that these give back.
Target: under 5 %.
"""

import re
import sys
from collections import Counter
from functools import partial
from typing import Any

import torch

from benchmarks.packs import WARM, pack, planned_size, seconds_each, steps
from benchmarks.report import headline, one_thread, parser, table, verdict, write
from benchmarks.stacks import require_perf, sampled
from workers.training import StackedRun
from workers.training.program import compiler_for

TASKS = ("digits-mlp", "digits-cnn", "mnist1d-gru")
TARGET = 0.05
SHOWN = 8
SECONDS = 8.0
KERNEL = re.compile(r"c10::Dispatcher::call|at::_ops::|at::native::|mkl_|cpp_fused|dnnl::")
"""Frames of operators, their dispatch included, of MKL's and oneDNN's products, and of kernels that
TorchInductor made."""


def look(task: str, size: int, compiled: bool, seconds: float) -> dict[str, Any]:
    """Sample some steps; returns the share outside kernels and what is most often there."""
    work = steps(StackedRun(pack(task, size, compile_it=compiled)))
    for _ in range(WARM):
        next(work)
    stacks = sampled(partial(next, work), seconds)
    outside = [stack for stack in stacks if not KERNEL.search(stack)]
    seen = Counter(_innermost(stack) for stack in outside)
    return {
        "size": size,
        "step_seconds": seconds_each(work, seconds=seconds / 8),
        "samples": len(stacks),
        "outside": len(outside) / len(stacks),
        "most_often": {name: count / len(stacks) for name, count in seen.most_common(SHOWN)},
    }


def _innermost(stack: str) -> str:
    """Return the function that a sample was in, and of which library."""
    address, rest = stack.strip().splitlines()[0].split(maxsplit=1)
    name, _, library = rest.rpartition(" (")
    return f"{name or address} in {library.rstrip(')').rpartition('/')[2]}"[:80]


def main() -> int:
    """Profile all; return 1 where the target is missed."""
    options = parser(__doc__)
    options.add_argument("--tasks", nargs="+", default=list(TASKS), metavar="TASK")
    options.add_argument("--size", type=int, help="trials in the pack; the planner's choice")
    options.add_argument("--seconds", type=float, default=SECONDS, help="to sample each pack for")
    arguments = options.parse_args()
    require_perf()
    one_thread()
    print(headline())
    modes = {"eager": False}
    if compiler_for(torch.device("cpu")) and not arguments.quick:
        modes["compiled"] = True
    rows, figures = [], {}
    for task in arguments.tasks[:1] if arguments.quick else arguments.tasks:
        size = arguments.size or planned_size(task)
        for mode, compiled in modes.items():
            found = look(task, size, compiled, 1.0 if arguments.quick else arguments.seconds)
            figures[f"{task} {mode}"] = found
            rows.append(
                [
                    f"{task}, {mode}",
                    str(size),
                    f"{1e3 * found['step_seconds']:.2f} ms",
                    str(found["samples"]),
                    f"{100 * found['outside']:.1f} %",
                    verdict(found["outside"] < TARGET),
                ]
            )
    print()
    table(["pack", "trials", "step", "samples", "outside kernels", "under 5 %"], rows)
    for name, found in figures.items():
        print(f"\n{name}: outside kernels, by function")
        for function, share in found["most_often"].items():
            print(f"  {100 * share:5.2f} %  {function}")
    write(arguments.json, figures)
    return int(any(found["outside"] >= TARGET for found in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
