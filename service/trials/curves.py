"""Curves as bytes: (epochs, columns) float32, little-endian, column by column, deflated."""

import zlib

import numpy as np
import numpy.typing as npt

from workers.contracts import CURVES


def pack(curves: npt.NDArray[np.float32]) -> bytes:
    """Turn (epochs, len(CURVES)) into bytes. Columns change slowly, so they stand together."""
    return zlib.compress(np.ascontiguousarray(curves.T, dtype="<f4").tobytes())


def unpack(data: bytes) -> npt.NDArray[np.float32]:
    """Undo `pack`: (epochs, len(CURVES))."""
    flat = np.frombuffer(zlib.decompress(data), dtype="<f4")
    return flat.reshape(len(CURVES), -1).T.astype(np.float32)
