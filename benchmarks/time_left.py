"""Is the time that a study is said to take still the time that it takes?

    python -m benchmarks.time_left [--tasks digits-mlp mnist1d-mlp digits-cnn]

A service, `lpwd serve`, is sent one study after the other: the grid of `lpwd demo`, 525 trials, on
each of these tasks; with --quick a small one, on the first. A client follows each by its events and
notes `eta_seconds`. Once the study is done, what it was told is compared with what it took from
there: when the first trials had ended, as the median from then on, and at its worst, events of the
last seconds left out. Target: right within 25 % when the first trials had ended. Studies are the
first of their kind, so that measuring and tracing belong to them. Nothing else should be running.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.load_service import Service
from benchmarks.report import headline, parser, table, verdict, write
from service.client import Client

TASKS = ("digits-mlp", "mnist1d-mlp", "digits-cnn")
GRID = {
    "optimizers": ["adamw", "adam-l2", "adam-rwd", "adam-pwd", "adam-lpwd"],
    "learning_rates": [1e-3, 3e-3, 1e-2, 3e-2, 1e-1],
    "weight_decays": [0, 1e-4, 1e-3, 1e-2, 1e-1, 0.5, 3],
    "seeds": 3,
}
QUICK = {
    "optimizers": ["adamw", "adam-lpwd"],
    "learning_rates": [1e-3, 1e-2],
    "weight_decays": [0, 1e-2, 1e-1],
    "seeds": 2,
}
CLOSE = 0.25
"""How far off the time may be, relative to what was left."""
LAST = 2.0
"""Seconds before the end from which on a ratio says nothing."""


def follow(client: Client, study: dict[str, Any]) -> dict[str, Any]:
    """Send a study and follow it to its end.

    Returns:
        Its trials and seconds, and `told`: pairs of the seconds said to be left and those that
        truly were, once trials had ended, until `LAST`.

    Raises:
        RuntimeError: It failed.
    """
    began = time.monotonic()
    seen: list[tuple[float, float]] = []
    for now in client.watch(client.submit(study).study.id):
        if now.finished and now.eta_seconds is not None:
            seen.append((time.monotonic(), now.eta_seconds))
    end = time.monotonic()
    if now.state != "done":
        raise RuntimeError(f"the study ended {now.state}: {now.error}")
    told = [(left, end - at) for at, left in seen if end - at > LAST]
    return {"trials": now.trials, "seconds": end - began, "told": told}


def ratios(found: dict[str, Any]) -> list[float]:
    """Return what was said to be left as a multiple of what was, event by event."""
    return [said / left for said, left in found["told"]]


def row(task: str, found: dict[str, Any]) -> list[str]:
    """Return a study's line of the table."""
    line = [task, str(found["trials"]), f"{found['seconds']:.0f} s"]
    said = ratios(found)
    if not said:
        return [*line, "", "", "", "", "over before it could be told"]
    (_, left), worst = found["told"][0], max(said, key=lambda ratio: abs(ratio - 1))
    figures = (said[0], statistics.median(said), worst)
    return [*line, f"{left:.0f} s", *(f"{one:.2f}" for one in figures), verdict(right(found))]


def right(found: dict[str, Any]) -> bool:
    """Tell whether the first that was said was close; of what was over at once, nothing was."""
    return all(abs(ratio - 1) <= CLOSE for ratio in ratios(found)[:1])


def main() -> int:
    """Follow all studies; return 1 where the target is missed."""
    options = parser(__doc__)
    options.add_argument("--tasks", nargs="+", default=list(TASKS), metavar="TASK")
    arguments = options.parse_args()
    print(headline())
    tasks = arguments.tasks[:1] if arguments.quick else arguments.tasks
    grid = QUICK if arguments.quick else GRID
    figures = {}
    with tempfile.TemporaryDirectory(prefix="lpwd-time-") as folder:
        service = Service(Path(folder), f"sqlite:///{folder}/lpwd.db")
        with service.run("serve"), Client(service.url) as client:
            for task in tasks:
                figures[task] = follow(client, {"task": task, **grid})
    head = ["study", "trials", "took", "left at first", "said at first", "median", "worst", ""]
    table(head, [row(task, found) for task, found in figures.items()])
    print(f"said: a multiple of what was left; target: at first within {CLOSE:.0%}")
    write(arguments.json, figures)
    return int(not all(right(found) for found in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
