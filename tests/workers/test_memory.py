import subprocess
import sys

import psutil
import pytest
import torch

from workers.memory import free_bytes, is_exhausted

CPU = torch.device("cpu")


def test_free_memory_is_shared_out():
    available = psutil.virtual_memory().available
    assert 0 < free_bytes(CPU, 1) <= 1.2 * available
    assert free_bytes(CPU, 4) <= 0.3 * available


@pytest.mark.parametrize(
    ("error", "exhausted"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("could not create a primitive descriptor for a convolution"), False),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory is a song"), False),
    ],
)
def test_errors_that_say_that_memory_ran_out(error, exhausted):
    assert is_exhausted(error) is exhausted


def test_a_limit_makes_allocations_fail_and_is_counted_as_what_is_free():
    program = """
import torch
from workers.memory import free_bytes, is_exhausted, limit
limit(200_000_000)
assert 100_000_000 < free_bytes(torch.device("cpu"), 1) <= 200_000_000
torch.zeros(10_000_000)
try:
    torch.zeros(100_000_000)
except RuntimeError as error:
    print(is_exhausted(error))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr
