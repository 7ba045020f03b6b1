"""Scores as bytes: (epochs, seeds) float32, little-endian, seed by seed, deflated."""

import zlib

import numpy as np
import numpy.typing as npt


def pack(scores: npt.NDArray[np.float32]) -> bytes:
    """Turn (epochs, seeds) into bytes."""
    return zlib.compress(np.ascontiguousarray(scores.T, dtype="<f4").tobytes())


def unpack(data: bytes, seeds: int) -> npt.NDArray[np.float32]:
    """Undo `pack`: (epochs, seeds)."""
    flat = np.frombuffer(zlib.decompress(data), dtype="<f4")
    return flat.reshape(seeds, -1).T.astype(np.float32)
