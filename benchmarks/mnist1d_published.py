"""MNIST-1D as published: the accuracies of its authors, from our stacked training.

    python -m benchmarks.mnist1d_published [--models linear mlp cnn gru] [--seeds 3]

The recipe (Greydanus and Kobak, arXiv 2011.14439): Adam, learning rate 0.01, batches of 100, 6000
steps, no weight decay, all 4000 training signals. The seeds of a model are trained as one stack.
Theirs takes the batches in one fixed order, over and over; ours shuffles every epoch, as for any
task. The accuracy is that of the last step, on the published test set.
"""

import statistics
import sys
import time
from dataclasses import replace

from benchmarks.report import headline, one_thread, parser, table, write
from workers import tasks
from workers.contracts import Budget, Pack, TrialSpec
from workers.tasks import Problem, Task
from workers.tasks.mnist1d import load_published
from workers.training import train

PUBLISHED = {"linear": (32.0, 2.0), "mlp": (65.0, 3.0), "cnn": (93.5, 2.0), "gru": (90.0, 3.0)}
"""Model to test accuracy in per cent, and how far off still counts."""
STEPS, BATCH, RATE = 6000, 100, 0.01
EXAMPLES = (4000, 1000, 1000)


def _problem(model: str) -> Problem:
    """Return the task's problem on all the training signals."""
    return replace(tasks.get(f"mnist1d-{model}").load(), load=load_published)


LINEAR, MLP, CNN, GRU = (_problem(model) for model in PUBLISHED)


def published(model: str) -> Task:
    """Return the task as published; its name is for this process only."""
    return replace(
        tasks.get(f"mnist1d-{model}"),
        name=f"mnist1d-{model}-published",
        examples=EXAMPLES,
        problem=f"benchmarks.mnist1d_published:{model.upper()}",
    )


def accuracies(task: Task, seeds: int, epochs: int) -> list[float]:
    """Train as many seeds at once; returns test accuracies in per cent, one a seed."""
    budget = Budget(epochs, BATCH)
    pack = Pack(
        tuple(
            TrialSpec(task.name, task.version, "adam-l2", 1, RATE, 0.0, seed, budget)
            for seed in range(seeds)
        )
    )
    *_, last = train(pack)
    return [100 * float(score) for score in last.values[:, -1]]


def main() -> int:
    """Train all models; return 1 where one is outside."""
    options = parser(__doc__)
    options.add_argument("--models", nargs="+", choices=PUBLISHED, default=list(PUBLISHED))
    options.add_argument("--seeds", type=int, default=3)
    arguments = options.parse_args()
    epochs = 1 if arguments.quick else STEPS * BATCH // EXAMPLES[0]
    one_thread()
    print(headline())
    print(f"{arguments.seeds} seeds each, {epochs * EXAMPLES[0] // BATCH} steps\n")
    rows, figures, outside = [], {}, []
    for model in arguments.models:
        task = tasks.register(published(model))
        began = time.perf_counter()
        found = accuracies(task, arguments.seeds, epochs)
        took = time.perf_counter() - began
        mean = statistics.fmean(found)
        expected, tolerance = PUBLISHED[model]
        if abs(mean - expected) > tolerance:
            outside.append(model)
        figures[model] = {"accuracies": found, "seconds": took}
        rows.append(
            [
                model,
                "  ".join(f"{one:.1f}" for one in found),
                f"{mean:.1f} %",
                f"{expected:g} ± {tolerance:g} %",
                "outside" if model in outside else "within",
                f"{took:.0f} s",
            ]
        )
        print(f"  {model}: {mean:.1f} % in {took:.0f} s", file=sys.stderr, flush=True)
    table(["model", "seeds", "mean", "published", "", "time"], rows)
    write(arguments.json, figures)
    return int(bool(outside))


if __name__ == "__main__":
    sys.exit(main())
