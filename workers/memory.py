"""Memory of this process's device: how much is free, and whether an error says that none is.
Imports torch: for workers only."""

import ctypes
import gc
import resource
import sys
from pathlib import Path

import psutil
import torch

CONTAINERS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)
"""Where Linux tells what a container may take and takes, in control groups of version 2 and 1."""
SAYINGS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "std::bad_alloc",
    "alloc_failed",
    "could not create a primitive",
)
"""How libraries say in a RuntimeError that memory ran out, in lower case. The last is oneDNN's."""
UNABLE = "primitive descriptor"
"""What oneDNN could not create where it has no such kernel, however much memory there is."""
SILENCE = "without exception set"
"""What the interpreter says of C code that failed and did not say why."""


def limit(room: int) -> None:
    """Let this process take no more than `room` bytes beyond what it has now.

    Allocations beyond it fail, as they do where memory ends.

    Raises:
        RuntimeError: Not on this system.
    """
    if sys.platform != "linux":
        raise RuntimeError("LPWD_WORKER_MEMORY needs Linux, which counts what a process may write")
    most = _own_bytes() + room
    # Not the address space: threads reserve much of that and never use it.
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def free_bytes(device: torch.device, sharing: int) -> int:
    """Return the memory that this worker may take for packs.

    Args:
        device: Where it trains.
        sharing: Workers that share the device's memory, itself included.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        own = torch.cuda.memory_reserved(device)
        return int(free) // sharing + own
    free = int(psutil.virtual_memory().available) // sharing
    most, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if most != resource.RLIM_INFINITY and sys.platform == "linux":
        free = min(free, most - _own_bytes())
    return max(0, min([free, *(left // sharing for left in _left_in_containers())]))


def release(device: torch.device) -> None:
    """Give memory that nothing uses any more back to the device, or the system."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; others have no need
        if trim is not None:
            trim(0)


def is_exhausted(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    said = str(error).lower()
    if isinstance(error, SystemError):
        # Of C code that could not get memory for an exception either.
        return SILENCE in said
    if not isinstance(error, RuntimeError) or UNABLE in said:
        return False
    return any(saying in said for saying in SAYINGS)


def _own_bytes() -> int:
    """Return the memory of this process that counts against its limit, on Linux."""
    return int(psutil.Process().memory_info().data)


def _left_in_containers() -> list[int]:
    """Return what this process's container may still take, if that is limited."""
    return [
        int(most.read_text()) - int(used.read_text())
        for most, used in CONTAINERS
        if most.exists() and used.exists() and most.read_text().strip() != "max"
    ]
