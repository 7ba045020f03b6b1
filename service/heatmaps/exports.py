"""Results as plain data and as CSV: pure."""

import csv
import io
from dataclasses import asdict
from typing import Any

from service.heatmaps.model import Cell, StudyResults

COLUMNS = (
    "optimizer",
    "learning_rate",
    "weight_decay",
    "state",
    "seeds",
    "finished",
    "diverged",
    "failed",
    "mean",
    "low",
    "high",
    "best",
    "within_tolerance",
)


def to_json(results: StudyResults) -> dict[str, Any]:
    """Return results as JSON-able data; the cells of a map become a list."""
    data = asdict(results)
    for plain, one in zip(data["heatmaps"], results.heatmaps, strict=True):
        plain["cells"] = [asdict(cell) for cell in one.cells.values()]
    return data


def to_csv(results: StudyResults) -> str:
    """Return one line a cell, as RFC 4180 has it: `COLUMNS`, then one column a seed's score."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*COLUMNS, *(f"score_{n + 1}" for n in range(results.seeds))])
    for one in results.heatmaps:
        for cell in one.cells.values():
            scores = [*cell.scores, *[""] * (results.seeds - len(cell.scores))]
            writer.writerow([one.optimizer, *_fields(cell), *scores])
    return out.getvalue()


def _fields(cell: Cell) -> list[Any]:
    known = {"finished": len(cell.scores), **asdict(cell)}
    return ["" if known[column] is None else known[column] for column in COLUMNS[1:]]
