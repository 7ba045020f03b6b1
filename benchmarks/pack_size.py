"""How many trials of a task should train together, and does a trial cost more when there are many?

    python -m benchmarks.pack_size [--task digits-mlp] [--trials 1 8 32 128 512]

First what a worker measures before a study begins, and the size that the planner chooses from it;
then what a trial costs when so many are planned that way, for one worker. One core, in its own
processor time, so that other processes matter less. Target: from the second row on, no row costs
more than the one before, but for noise (5 %).
"""

import sys
import time
from collections import Counter

from benchmarks.packs import pack
from benchmarks.report import headline, one_thread, parser, table, verdict, write
from service.runner.sizing import PackSizes
from workers.contracts import Pack
from workers.packing import best_size
from workers.training import StackedRun
from workers.training.measure import measure

TRIALS = (1, 8, 32, 128, 512)
NOISE = 1.05


def seconds(part: Pack, epochs: int) -> float:
    """Return the processor time of a pack's whole budget, judging by a few epochs."""
    run = StackedRun(part)
    run.train_epoch()
    took = []
    for _ in range(epochs):
        began = time.process_time()
        run.train_epoch()
        took.append(time.process_time() - began)
    return min(took) * part.budget.epochs


def main() -> int:
    """Print both tables; return 1 where the target is missed."""
    made = parser(__doc__)
    made.add_argument("--task", default="digits-mlp")
    made.add_argument("--trials", nargs="+", type=int, default=TRIALS)
    made.add_argument("--epochs", type=int, default=5, help="epochs to time of each size of pack")
    arguments = made.parse_args()
    counts = arguments.trials[:2] if arguments.quick else arguments.trials
    print(headline())
    one_thread()
    largest = pack(arguments.task, max(counts))
    known = measure(largest.trials, epochs=10**6)
    table(
        ["trials together", "ms an epoch and trial"],
        [[str(size), f"{1000 * known.seconds[size]:.3f}"] for size in sorted(known.seconds)],
    )
    chosen = best_size(known, epochs=largest.budget.epochs)
    print(f"the planner chooses {chosen} where there are many\n")
    sizes = PackSizes()
    sizes.learn(arguments.task, known)
    rows, costs, missed = [], [], False
    for count in counts:
        trials = pack(arguments.task, count).trials
        packs = sizes.plan(arguments.task, trials, workers=1)
        alike = Counter(len(part.trials) for part in packs)
        one_of = {len(part.trials): part for part in packs}
        total = sum(n * seconds(one_of[size], arguments.epochs) for size, n in alike.items())
        costs.append(total / count)
        rising = len(costs) > 1 and costs[-1] > NOISE * costs[-2]
        missed |= rising
        shown = " + ".join(f"{n} × {size}" for size, n in sorted(alike.items()))
        rows.append([str(count), shown, f"{costs[-1]:.4f}", verdict(not rising)])
    table(["trials", "packs", "s a trial", ""], rows)
    write(
        arguments.json,
        {"measured": known.seconds, "seconds": dict(zip(counts, costs, strict=True))},
    )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
