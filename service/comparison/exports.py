"""Comparisons as plain data and as CSV: pure."""

import csv
import io
from typing import Any

from service.comparison.model import Comparison

COLUMNS = (
    "optimizer",
    "reference",
    "learning_rate",
    "weight_decay",
    "difference",
    "low",
    "high",
    "seeds",
    "p",
    "p_adjusted",
    "significant",
    "better",
    "diverged",
)


def to_json(results: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON-able data; the cells of a map become a list."""
    return {
        **vars(results),
        "metric": vars(results.metric),
        "optimizers": [
            {
                **vars(one),
                "cells": [vars(cell) for cell in one.cells.values()],
                "measures": [vars(measure) for measure in one.measures],
            }
            for one in results.optimizers
        ],
    }


def to_csv(results: Comparison) -> str:
    """Return one line a cell, as RFC 4180 has it, under `COLUMNS`."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for one in results.optimizers:
        for cell in one.cells.values():
            known = {**vars(cell), "optimizer": one.optimizer, "reference": results.reference}
            writer.writerow(["" if known[name] is None else known[name] for name in COLUMNS])
    return out.getvalue()
