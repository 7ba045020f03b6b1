"""What one service on two cores bears: requests, listeners, large studies, many studies.

    python -m benchmarks.service_load [--database sqlite postgresql] [--json FILE] [--quick]

A database of 10,000 studies and 1,000,000 trials is filled, then `lpwd serve` runs on it: API of
one process, runner and scheduler. Clients are processes of their own. All share two
cores, of however many there are.

    start        from starting `lpwd api` until it answers, and its memory then
    lists        a page of 50 studies: every filter and order, the last page, and as HTML
    cached       a heatmap that has not changed, as often as it is answered, 16 connections
    large study  creating one of 100,000 trials; its heatmap for the first time, and once all of
                 them have a result; pages of its trials
    training     lists, studies, heatmaps and pages while a study trains at full speed
    listeners    200 that follow that study: all are told that it ended; memory; reads meanwhile

PostgreSQL is started here, from the wheel that the tests use, unless --url names one that is
empty. With --quick all is a hundredth of it.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.filled_database import fill, finish
from benchmarks.load_service import DATABASES, Service
from benchmarks.report import headline, parser, table, verdict, write
from service.db import Database, schema

TARGETS = {
    "start": ("API start", 1.5, "s"),
    "memory at start": ("API memory at start", 200.0, "MB"),
    "lists": ("lists, p99", 0.1, "s"),
    "cached": ("cached heatmap", -1500.0, "/s"),
    "create": ("creating 100,000 trials", 5.0, "s"),
    "heatmap": ("their heatmap", 1.0, "s"),
    "heatmap, finished": ("their heatmap when finished", 1.0, "s"),
    "trials": ("pages of these trials, p99", 0.1, "s"),
    "reads": ("reads while training, p99", 0.1, "s"),
    "told": ("listeners told of the end", -100.0, "%"),
    "reads, listeners": ("reads with listeners, p99", 0.1, "s"),
    "memory, large study": ("API memory after that study", 200.0, "MB"),
    "memory": ("API memory at the end", 200.0, "MB"),
    "memory, peak": ("API memory at its peak", 200.0, "MB"),
}
"""Name, target and unit; a target below zero is to be reached, others not to be passed."""

CORES = 2
"""That everything shares."""

FILTERS = (
    "",
    "state=done",
    "state=cancelled",
    "state=queued",
    "task=digits-mlp",
    "task=digits-cnn",
    "optimizer=adam-lpwd",
    "optimizer=sgdw",
    "owner=alice",
    "owner=nobody",
    "tag=paper",
    "tag=rare",
    "tag=paper&tag=rare",
    "tag=none",
    "q=filled 99",
    "q=not there",
    "order=oldest",
    "order=name",
    "order=priority",
    "order=priority&state=cancelled&owner=bob",
    "created_after=2000-01-01T00:00:00Z",
)
"""What lists are asked for: what many studies have, few, and none."""


@dataclass
class Scale:
    """How large all is."""

    studies: int = 10_000
    large: dict[str, int] = field(
        default_factory=lambda: {"learning_rates": 50, "weight_decays": 50, "seeds": 20}
    )
    listeners: int = 200
    seconds: float = 5.0
    trained_seeds: int = 60


QUICK = Scale(100, {"learning_rates": 10, "weight_decays": 10, "seeds": 5}, 20, 1.0, 4)


def main() -> int:
    """Measure; return 1 where a target is missed."""
    options = parser(__doc__)
    options.add_argument(
        "--database", nargs="+", choices=DATABASES, default=list(DATABASES), metavar="KIND"
    )
    options.add_argument("--url", help="an empty PostgreSQL database")
    chosen = options.parse_args()
    _keep_to(CORES)
    scale = QUICK if chosen.quick else Scale()
    print(headline())
    found = {}
    for kind in chosen.database:
        with tempfile.TemporaryDirectory(prefix="lpwd-load-") as folder:
            where = Path(folder)
            opened = DATABASES[kind](where, chosen.url)
            with opened as url:
                found[kind] = measure(Service(where, url), url, scale)
        print(f"\n{kind}")
        rows = [
            (name, _shown(target, unit), _shown(found[kind][key], unit), _reached(key, found[kind]))
            for key, (name, target, unit) in TARGETS.items()
        ]
        table(("", "target", "measured", ""), rows)
        slowest = sorted((max(t), path) for path, t in found[kind]["paths"].items())[:-4:-1]
        print("slowest lists: " + ", ".join(f"{path} {_shown(t, 's')}" for t, path in slowest))
    write(chosen.json, {"outcomes": found, "scale": vars(scale)})
    reached = all(_reached(key, one) == "reached" for one in found.values() for key in TARGETS)
    return 0 if reached or chosen.quick else 1


def _keep_to(cores: int) -> None:
    """Have this process and all that it starts share so many cores, where there are more."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def measure(service: Service, url: str, scale: Scale) -> dict[str, Any]:
    """Return all figures of one database."""
    database = Database(url)
    schema.upgrade(database)
    began = time.perf_counter()
    ids = fill(database, scale.studies)
    figures: dict[str, Any] = {"fill": time.perf_counter() - began}
    _say(figures, "fill")
    began = time.perf_counter()
    with service.run("api") as process:
        figures["start"] = time.perf_counter() - began
        figures["memory at start"] = _megabytes(process)
    with service.run("serve") as process, _client(service) as client:
        api = service.api(process)
        figures["paths"] = _lists(client)
        figures["lists"] = _p99([one for found in figures["paths"].values() for one in found])
        _say(figures, "lists")
        figures["cached"] = _cached(service, client, ids[-1], scale.seconds)
        _say(figures, "cached")
        figures |= _large(database, client, scale)
        figures["memory, large study"] = _megabytes(api)
        _say(figures, "create", "heatmap", "heatmap, finished", "trials", "memory, large study")
        figures |= _training(service, client, scale)
        figures["memory"] = _megabytes(api)
        figures["memory, peak"] = _peak(api)
    database.close()
    return figures


def _say(figures: dict[str, Any], *names: str) -> None:
    print(", ".join(f"{name} {figures[name]:,.3f}" for name in names), flush=True)


def _lists(client: httpx.Client) -> dict[str, list[float]]:
    """Return the times that each page took; the first is that of nothing known yet."""
    pages = [f"/api/v1/studies?{one}" for one in FILTERS] + ["/", "/?state=done"]
    last, cursors = "/api/v1/studies?limit=200", 0
    while (cursor := client.get(last).json()["next_cursor"]) is not None and cursors < 60:
        last, cursors = f"/api/v1/studies?limit=200&cursor={cursor}", cursors + 1
    pages.append(last)
    return {
        path: [_seconds(lambda path=path: client.get(path)) for _ in range(3)] for path in pages
    }


def _cached(service: Service, client: httpx.Client, study_id: str, seconds: float) -> float:
    path = f"/api/v1/studies/{study_id}/heatmap.json"
    client.get(path).raise_for_status()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.load_client", service.url + path),
            *("--seconds", str(seconds), "--header", "Accept-Encoding: gzip"),
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    answered: dict[str, float] = json.loads(done.stdout)
    assert not answered["failed"], answered
    return answered["per_second"]


def _large(database: Database, client: httpx.Client, scale: Scale) -> dict[str, float]:
    study = _study(
        learning_rates=[10 ** (-4 + 3 * i / 50) for i in range(scale.large["learning_rates"])],
        weight_decays=[10 ** (-4 + 4 * i / 50) for i in range(scale.large["weight_decays"])],
        seeds=scale.large["seeds"],
        budget={"epochs": 30},
    )
    began = time.perf_counter()
    created = client.post("/api/v1/studies", json=study)
    figures = {"create": time.perf_counter() - began}
    created.raise_for_status()
    address = f"/api/v1/studies/{created.json()['study']['id']}"
    figures["heatmap"] = _seconds(lambda: client.get(f"{address}/heatmap.json"))
    client.post(f"{address}/cancel").raise_for_status()
    finish(database, created.json()["study"]["id"])
    figures["heatmap, finished"] = _seconds(lambda: client.get(f"{address}/heatmap.json"))
    trials = created.json()["trials"]
    pages = ["", f"?offset={trials // 2}", f"?offset={trials - 200}", "?state=done", "?seed=3"]
    figures["trials"] = _p99(
        [_seconds(lambda page=page: client.get(f"{address}/trials{page}")) for page in pages * 3]
    )
    return figures


def _training(service: Service, client: httpx.Client, scale: Scale) -> dict[str, float]:
    """Read while a study trains, first alone, then with listeners on it."""
    figures = {}
    for name, listeners in (("reads", 0), ("reads, listeners", scale.listeners)):
        seeds = list(range(listeners * 1000, listeners * 1000 + scale.trained_seeds))
        study = _study(
            learning_rates=[0.001, 0.003, 0.01, 0.03, 0.1],
            weight_decays=[0.0, 0.01, 0.1],
            seeds=seeds,
            budget={"epochs": 10},
        )
        study_id = client.post("/api/v1/studies", json=study).json()["study"]["id"]
        told = [0]
        with _client(service) as listening:
            following = [
                threading.Thread(target=_follow, args=(listening, study_id, told), daemon=True)
                for _ in range(listeners)
            ]
            for one in following:
                one.start()
            figures[name] = _p99(list(_reads(client, study_id)))
            for one in following:
                one.join(30)
        _say(figures, name)
        figures["told"] = 100 * told[0] / max(1, listeners)
    return figures


def _reads(client: httpx.Client, study_id: str) -> Iterator[float]:
    """Read this and that until the study has ended; yields the time each took."""
    address = f"/api/v1/studies/{study_id}"
    paths = [address, "/api/v1/studies", f"{address}/heatmap.json", f"{address}/trials"]
    while client.get(address).json()["state"] == "queued":
        time.sleep(0.02)
    while True:
        for path in paths:
            yield _seconds(lambda path=path: client.get(path))
            time.sleep(0.02)
        if client.get(address).json()["state"] not in ("queued", "running"):
            return


def _follow(client: httpx.Client, study_id: str, told: list[int]) -> None:
    """Follow a study's events until its end."""
    with client.stream("GET", f"/api/v1/studies/{study_id}/events") as stream:
        for line in stream.iter_lines():
            if line == "event: ended":
                with _COUNTING:
                    told[0] += 1
                return


_COUNTING = threading.Lock()


def _study(**changes: Any) -> dict[str, Any]:
    return {"task": "digits-mlp", "optimizers": ["adamw", "adam-lpwd"], **changes}


def _client(service: Service) -> httpx.Client:
    limits = httpx.Limits(max_connections=None)
    return httpx.Client(base_url=service.url, timeout=120, trust_env=False, limits=limits)


def _seconds(what: Callable[[], httpx.Response]) -> float:
    began = time.perf_counter()
    what().raise_for_status()
    return time.perf_counter() - began


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.99 * (len(seconds) - 1))]


def _megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


def _peak(process: psutil.Process) -> float:
    """Return the most that a process ever had in memory; where the system does not say, what it
    has."""
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024 / 1e6
    return _megabytes(process)


def _shown(value: float, unit: str) -> str:
    digits = 3 if unit == "s" else 0
    return f"{abs(value):,.{digits}f} {unit}".strip()


def _reached(key: str, figures: dict[str, Any]) -> str:
    target = TARGETS[key][1]
    return verdict(figures[key] >= -target if target < 0 else figures[key] <= target)


if __name__ == "__main__":
    sys.exit(main())
