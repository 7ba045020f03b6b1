"""What a worker sets up in its process before it trains."""

import platform
import subprocess
import sys

import pytest

TAKES_ANEW = """
import resource, torch
from workers.device import prepare

prepare(gpu=False)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(1 << 24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults(), *(faults() for _ in range(8)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="others have no such setting")
def test_a_large_block_that_is_freed_is_taken_again_without_the_system():
    said = subprocess.run(
        [sys.executable, "-c", TAKES_ANEW], capture_output=True, text=True, check=True
    )
    first, *again = map(int, said.stdout.split())
    if first < 100:  # pages are large here: too few to count
        pytest.skip(f"64 MB take {first} page faults")
    # What is small may settle in the freed block, which is then too small once.
    assert min(again) < first / 10
