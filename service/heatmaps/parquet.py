"""Cells as Parquet. Made in a process beside the API's: pyarrow takes time and memory to load."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

FORMAT = 1
"""Raised when a column changes its name, type or meaning."""


def cells(columns: Mapping[str, Sequence[Any]], metadata: Mapping[str, Any]) -> bytes:
    """Return a Parquet file with one row a cell.

    Args:
        columns: As `service.heatmaps.exports.to_columns` makes them.
        metadata: JSON-able; the file's schema has it under ``lpwd``.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "optimizer": pa.dictionary(pa.int32(), pa.string()),
        "learning_rate": pa.float64(),
        "weight_decay": pa.float64(),
        "state": pa.dictionary(pa.int32(), pa.string()),
        "seeds": pa.int32(),
        "finished": pa.int32(),
        "diverged": pa.int32(),
        "failed": pa.int32(),
        "mean": pa.float64(),
        "low": pa.float64(),
        "high": pa.float64(),
        "best": pa.bool_(),
        "within_tolerance": pa.bool_(),
        "scores": pa.list_(pa.float64()),
    }
    schema = pa.schema(list(types.items()), metadata={"lpwd": as_text(metadata)})
    table = pa.table({name: list(columns[name]) for name in types}, schema=schema)
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def as_text(metadata: Mapping[str, Any]) -> str:
    """Return metadata as a file keeps it: the same for the same, whatever the order of its keys."""
    return json.dumps({"format": FORMAT, **metadata}, sort_keys=True)
