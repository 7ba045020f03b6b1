"""The device of this process. Imports torch: for workers only."""

import ctypes
import os
import platform
from pathlib import Path

import psutil
import torch

from workers.contracts import Device

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Names of settings in glibc's malloc.h."""
LARGEST_KEPT = 32 << 20
"""Bytes; glibc takes no higher threshold."""


def prepare(*, gpu: bool) -> torch.device:
    """Set torch up for training in this process; returns the device. Raises as `torch_device`."""
    torch.set_num_threads(max(1, int(os.environ.get("OMP_NUM_THREADS", "1"))))
    # Decayed weights shrink into denormals, which a CPU handles a hundred times slower.
    torch.set_flush_denormal(True)
    keep_freed_memory()
    return torch_device(gpu=gpu)


def torch_device(*, gpu: bool) -> torch.device:
    """Return the GPU that Ray gave this process, or the CPU.

    Raises:
        RuntimeError: A GPU was promised and torch sees none.
    """
    if not gpu:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise RuntimeError(
            "Ray lends a GPU that this torch cannot use: install a build of torch with CUDA, "
            "or run with LPWD_WORKER_DEVICE=cpu"
        )
    return torch.device("cuda")


def describe(device: torch.device, memory: int | None = None) -> Device:
    """Name the device as its maker does.

    Args:
        device: Of this process.
        memory: Bytes that the worker may take on a CPU, where that is limited.
    """
    node = platform.node()
    if device.type == "cuda":
        found = torch.cuda.get_device_properties(device)
        return Device(
            "cuda", found.name, os.getpid(), node, int(found.total_memory), _software(device)
        )
    total = memory or int(psutil.virtual_memory().total)
    return Device("cpu", _cpu_name(), os.getpid(), node, total, _software(device))


def _software(device: torch.device) -> str:
    cuda = f", CUDA {torch.version.cuda}" if device.type == "cuda" else ""
    return f"torch {torch.__version__}{cuda}, Python {platform.python_version()}"


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def keep_freed_memory() -> None:
    """Have the C library keep large blocks that are freed, for the next step to take.

    By default glibc gives them back to the system at once, and a step that takes them anew waits
    for the system to clear every page: for a pack that no longer fits the cache a third of the
    time. Does nothing where the C library has no such setting.
    """
    change = getattr(ctypes.CDLL(None), "mallopt", None)
    if change is not None:
        change(M_MMAP_THRESHOLD, LARGEST_KEPT)
        change(M_TRIM_THRESHOLD, 2**31 - 1)
