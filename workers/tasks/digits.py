"""Handwritten digits, 8×8 pixels: the data of the `digits-…` tasks."""

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from workers.tasks.classification import stratified_split
from workers.tasks.task import Examples, Splits


@cache
def _all() -> Examples:
    """Read all 1797 digits, pixels scaled to [0, 1]."""
    inputs, targets = load_digits(return_X_y=True)
    return (inputs / 16).astype(np.float32), targets.astype(np.int64)


def load(seed: int) -> Splits:
    """60 / 15 / 25 % of the 1797 digits, stratified by the seed; rows of 64 pixels."""
    rest, test = stratified_split(_all(), 450, seed)
    train, validation = stratified_split(rest, 270, seed)
    return Splits(train, validation, test)
