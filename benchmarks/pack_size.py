"""Seconds a trial of digits-mlp takes, by the number of trials in its pack.

    python benchmarks/pack_size.py

One core, as a worker has. Compare within one run, as ratios: machines and their moods differ.
"""

import argparse
import time

import torch

from workers import tasks
from workers.contracts import Budget, Pack, TrialSpec
from workers.training import StackedRun

OPTIMIZER = "adam-lpwd"


def seconds_per_trial(size: int, epochs: int) -> float:
    """Train `size` trials for a few epochs; returns the time of one trial's whole budget."""
    task = tasks.get("digits-mlp")
    budget = Budget(task.epochs, task.batch_size)
    trials = tuple(
        TrialSpec(task.name, task.version, OPTIMIZER, 1, 0.01, 0.001 * position, 0, budget)
        for position in range(size)
    )
    run = StackedRun(Pack(trials))
    run.train_epoch()
    began = time.perf_counter()
    for _ in range(epochs):
        run.train_epoch()
    return (time.perf_counter() - began) / epochs * budget.epochs / size


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 8, 16, 32, 48, 64, 128, 512])
    parser.add_argument("--epochs", type=int, default=4, help="epochs to measure")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    print(f"{'trials':>7} {'s/trial':>8} {'speed-up':>9}")
    single = None
    for size in arguments.sizes:
        found = seconds_per_trial(size, arguments.epochs)
        single = single or found
        print(f"{size:>7} {found:>8.4f} {single / found:>8.1f}×")


if __name__ == "__main__":
    main()
