"""Results as plain data, as CSV and as columns: pure."""

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


def to_columns(results: StudyResults) -> dict[str, list[Any]]:
    """Return one column each of `COLUMNS`, and the scores of each cell: of all cells."""
    cells = [(one.optimizer, cell) for one in results.heatmaps for cell in one.cells.values()]
    columns: dict[str, list[Any]] = {"optimizer": [label for label, _ in cells]}
    for name in COLUMNS[1:]:
        if name == "finished":
            columns[name] = [len(cell.scores) for _, cell in cells]
        else:
            columns[name] = [getattr(cell, name) for _, cell in cells]
    columns["state"] = [str(state) for state in columns["state"]]
    columns["scores"] = [cell.scores for _, cell in cells]
    return columns
