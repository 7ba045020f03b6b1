"""What benchmarks print and write: the machine, tables, one JSON file."""

import argparse
import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from workers.device import describe


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has; its help is the module's."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write all figures there as well")
    made.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    return made


def one_thread() -> None:
    """Compute as a worker on a CPU does: on one core, without denormals, keeping freed memory."""
    from workers.device import keep_freed_memory

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    keep_freed_memory()


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """Describe where figures come from: they are to be compared within one run only."""
    return {
        "processor": describe(torch.device("cpu")).name,
        "cores": cores(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def headline() -> str:
    """Return `machine` in a line."""
    found = machine()
    return (
        f"{found['processor']}, {found['cores']} cores, load {found['load']} before; "
        f"Python {found['python']}, torch {found['torch']}"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns: to the right, but for the first and those without a head."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        cells = [
            text.ljust(width) if column == 0 or not head[column] else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip(), flush=True)


def verdict(reached: bool) -> str:
    """Return the word for a target."""
    return "reached" if reached else "missed"


def write(path: Path | None, figures: Mapping[str, Any]) -> None:
    """Write figures beside the machine they come from, if a file is wanted."""
    if path is not None:
        path.write_text(json.dumps({"machine": machine(), **figures}, indent=2) + "\n")
