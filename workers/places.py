"""Where Ray has workers train: on GPUs or CPU cores, and on what part of one."""

from enum import StrEnum

import ray


class DeviceChoice(StrEnum):
    """What to train on."""

    AUTO = "auto"
    """GPUs if Ray has any, else CPU cores."""
    CPU = "cpu"
    GPU = "gpu"


def resources(gpu: bool, per_gpu: int) -> dict[str, float]:
    """Return what a worker asks of Ray: a CPU, or a share of a GPU."""
    if not gpu:
        return {"num_cpus": 1}
    # Ray counts in ten-thousandths; rounded up, the last worker would find no room.
    return {"num_cpus": 0, "num_gpus": 10_000 // per_gpu / 10_000}


def most_cpus_of_a_node() -> int:
    """Return how many workers on CPUs share a node's memory, at most."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return max((int(node["Resources"].get("CPU", 0)) for node in nodes if node["Alive"]), default=1)


def use_gpu(choice: DeviceChoice) -> bool:
    """Decide between GPUs and CPU cores; a request for a GPU that is not there would wait for ever.

    Raises:
        RuntimeError: GPUs are asked for and the cluster has none.
    """
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    gpus = resources.get("GPU", 0) >= 1
    if choice is DeviceChoice.GPU and not gpus:
        raise RuntimeError(
            "LPWD_WORKER_DEVICE=gpu, but the Ray cluster has no GPU: add a node with one, "
            "or set LPWD_WORKER_DEVICE=auto"
        )
    return gpus and choice is not DeviceChoice.CPU
