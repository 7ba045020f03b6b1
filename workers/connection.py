"""The connection to Ray: joining a cluster or starting one, and noticing that it broke."""

import logging
import os
import time

import psutil
import ray

DAEMONS = ("raylet", "gcs_server")
"""Processes of a local cluster without which it is of no use. They do not come back."""
LOOK_EVERY = 5.0
"""Seconds between two looks at whether a cluster of others still knows this machine."""


class ClusterLostError(Exception):
    """The Ray cluster is broken, as far as this process can use it; connecting anew may help."""


class Connection:
    """What `connect` made. One at a time in a process; `check` it often, `close` it once."""

    def __init__(self, *, local: bool) -> None:
        """Remember what must stay alive."""
        self._daemons = _daemons() if local else []
        self._node = None if local else ray.get_runtime_context().get_node_id()
        self._looked = time.monotonic()

    def check(self) -> None:
        """Make sure that the cluster works; takes microseconds for a local one.

        Without its raylet, calls to Ray would wait for what never comes; without its GCS, Ray would
        end this process after a minute.

        Raises:
            ClusterLostError: It does not.
        """
        for daemon in self._daemons:
            if not _alive(daemon):
                raise ClusterLostError(f"Ray's {_name(daemon)} died")
        if self._node is not None and time.monotonic() - self._looked > LOOK_EVERY:
            self._looked = time.monotonic()
            nodes = ray.nodes()  # type: ignore[no-untyped-call]
            if not any(node["NodeID"] == self._node and node["Alive"] for node in nodes):
                raise ClusterLostError("the Ray cluster no longer knows this machine's node")

    def close(self) -> None:
        """Leave the cluster; one that was started here ends, whatever is left of it."""
        # The raylet's agents would live on for a minute, to tell a cluster that is gone of its end.
        started = [*self._daemons, *(one for daemon in self._daemons for one in _below(daemon))]
        ray.shutdown()
        for process in started:
            if _alive(process):
                process.kill()


def connect(address: str, *, cpus: int | None = None) -> Connection:
    """Join a Ray cluster, or start one here.

    Args:
        address: ``local`` for a cluster of this process's own, else as `ray.init` takes it.
        cpus: Cores of a local cluster; all of the machine's by default.

    Raises:
        ConnectionError: No cluster answers at the address.
    """
    # Read when Ray is imported in its child processes: nothing is sent home.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    local = address == "local"
    ray.init(
        address=address,
        num_cpus=cpus if local else None,
        include_dashboard=False if local else None,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    return Connection(local=local)


def _daemons() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if _name(child) in DAEMONS]


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
        return found
    except psutil.NoSuchProcess:
        return []


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        return "process"
