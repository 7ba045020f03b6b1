"""Results as plain data and as CSV: pure."""

import csv
import io
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
    # Not `asdict` as a whole: it copies deeply, and large maps have many cells.
    return {
        **vars(results),
        "metric": vars(results.metric),
        "heatmaps": [
            {**vars(one), "cells": [vars(cell) for cell in one.cells.values()]}
            for one in results.heatmaps
        ],
        "robustness": [vars(row) for row in results.robustness],
        "curves": [vars(curve) for curve in results.curves],
    }


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
    known = {"finished": len(cell.scores), **vars(cell)}
    return ["" if known[column] is None else known[column] for column in COLUMNS[1:]]
