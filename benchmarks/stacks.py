"""Samples of this process's native call stacks, by Linux's `perf`: what really runs, undisturbed.

A profiler that notes each operation slows down just what lies between operations. Samples of a
clock do not: a stack is copied some hundred times a second, whatever runs then.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

RATE = 499
"""Samples a second: no divisor of anything else's rhythm."""
COPIED = 8192
"""Bytes of the stack that a sample copies: all frames down to Python's."""
STARTING = 1.0
"""Seconds that `perf` is given to attach."""


def sampled(work: Callable[[], None], seconds: float) -> list[str]:
    """Run work over and over and return the stacks seen meanwhile, innermost frame first.

    Args:
        work: Of this thread.
        seconds: For how long.

    Returns:
        A text a sample: a line a frame, with function and library.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "perf.data")
        command = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(RATE)]
        command += ["--call-graph", f"dwarf,{COPIED}", "-t", str(os.getpid()), "-o", str(data)]
        recording = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        _work(work, STARTING)
        _work(work, seconds)
        recording.send_signal(signal.SIGINT)
        _, said = recording.communicate()
        if not data.exists() or not data.stat().st_size:
            sys.exit(f"perf recorded nothing: {said.strip()}")
        script = ["perf", "script", "-i", str(data), "--no-inline", "-F", "ip,sym,dso"]
        told = subprocess.run(script, capture_output=True, text=True, check=True)
    return [stack for stack in re.split(r"\n\s*\n", told.stdout) if stack.strip()]


def require_perf() -> None:
    """End with a word on how to get `perf`, where it is not there."""
    if shutil.which("perf") is None:
        sys.exit("this needs perf, of Linux: on Debian, apt-get install linux-perf")


def _work(work: Callable[[], None], seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        work()
