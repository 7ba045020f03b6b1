"""The same 70 trials in every way that people train grids, and through this service.

    python -m benchmarks.versus [--ways tune plain service …] [--rounds 3] [--json FILE]

`digits-mlp` with AdamW at 5 learning rates × 7 weight decays × 2 seeds, 20 epochs, batches of 64:

    tune           stock Ray Tune: a function as trainable, one CPU a trial
    tune-reuse     Ray Tune with reuse_actors=True
    optuna         Optuna's GridSampler with a SQLite storage, in one process of one thread
    plain          a plain PyTorch loop in one process, with torch's default threads
    plain-1, -2    the same with one and with two threads
    plain-fused    with one thread and AdamW(fused=True)
    processes      the plain loop in two processes of one thread each
    service        ours: `lpwd serve` is up and warm, having trained this grid with other seeds
                   before; from POST to the study being done, as the client sees it
    service-first  the same where it is the first study that the service sees: with measuring how
                   many trials to train together, and tracing

All but ours run one loop, `plain_loop.py`, and see the same data, initial weights and batches as
ours, so that the accuracies must agree. Every way runs in a process of its own; rounds take turns.
Where `service` is among them, `stacked_step` follows: the share of this machine's matrix-multiply
peak that a stacked step reaches, and seconds a trial, each for 1, 8, 32, 128 and 512 trials.
Compare times within one run, as ratios; nothing else should be running.
"""

import json
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.grid import FULL, QUICK
from benchmarks.report import headline, one_thread, parser, table, verdict, write
from benchmarks.stacked_step import SECONDS, TRIALS, share_and_seconds
from benchmarks.ways import WAYS

TARGETS = {
    "tune": 50.0,
    "tune-reuse": 8.0,
    "plain": 5.0,
    "plain-1": 5.0,
    "plain-2": 5.0,
    "processes": 2.5,
}
"""How many times as fast ours must be; than the plain loop whatever its threads."""
AGREEMENT = 0.005
"""Mean accuracies may differ by so much: other rounding makes other trajectories."""
OURS = "service"


def run(way: str, *, quick: bool) -> dict[str, Any]:
    """Train the grid in one way, in a fresh process; returns its outcome."""
    command = [sys.executable, "-m", "benchmarks.ways", way, *(["--quick"] if quick else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def show(
    outcomes: dict[str, list[dict[str, Any]]],
    seconds: dict[str, float],
    accuracy: dict[str, float],
    ratios: dict[str, float],
    trials: int,
) -> None:
    """Print a line a way."""
    table(
        ["way", "seconds", "s/trial", "accuracy", "ours is faster", "target", "", ""],
        [
            [
                way,
                f"{seconds[way]:.2f}",
                f"{seconds[way] / trials:.4f}",
                f"{100 * accuracy[way]:.2f} %",
                f"{ratios[way]:.1f} ×" if way in ratios else "",
                f"{TARGETS[way]:g} ×" if way in TARGETS else "",
                verdict(ratios[way] >= TARGETS[way]) if way in TARGETS and way in ratios else "",
                outcomes[way][0]["note"],
            ]
            for way in outcomes
        ],
    )


def main() -> int:
    """Compare; return 1 where a target is missed or accuracies differ."""
    options = parser(__doc__)
    options.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="WAY")
    options.add_argument("--rounds", type=int, default=1, help="turns of each way; medians count")
    arguments = options.parse_args()
    grid = QUICK if arguments.quick else FULL
    trials = len(grid.trials())
    print(headline())
    print(f"{trials} trials of {grid.task}, {grid.epochs} epochs, batches of {grid.batch_size}\n")

    outcomes: dict[str, list[dict[str, Any]]] = {way: [] for way in arguments.ways}
    for _ in range(arguments.rounds):
        for way, found in outcomes.items():
            found.append(run(way, quick=arguments.quick))
            print(f"  {way}: {found[-1]['seconds']:.2f} s", file=sys.stderr, flush=True)

    seconds = {way: statistics.median(o["seconds"] for o in all_) for way, all_ in outcomes.items()}
    accuracy = {way: statistics.fmean(o_s[0]["accuracies"]) for way, o_s in outcomes.items()}
    ours = seconds.get(OURS)
    ratios = {way: took / ours for way, took in seconds.items()} if ours else {}
    show(outcomes, seconds, accuracy, ratios, trials)
    apart = max(accuracy.values()) - min(accuracy.values())
    agree = apart <= AGREEMENT and all(len(o[0]["accuracies"]) == trials for o in outcomes.values())
    said = "the same" if agree else "NOT the same"
    print(f"\nmean test accuracies lie {100 * apart:.2f} points apart: {said}")
    missed = [way for way in TARGETS if way in ratios and ratios[way] < TARGETS[way]]
    figures = {"trials": trials, "outcomes": outcomes, "ratios": ratios}
    reached = True
    if ours:
        print()
        one_thread()
        figures["stacked_step"], reached = share_and_seconds(
            list(TRIALS), SECONDS, quick=arguments.quick
        )
    write(arguments.json, figures)
    return int(bool(missed) or not agree or not reached)


if __name__ == "__main__":
    sys.exit(main())
