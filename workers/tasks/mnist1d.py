"""MNIST-1D, signals of 40 samples: the data of the `mnist1d-…` tasks."""

import random
from functools import cache

import numpy as np
from mnist1d.data import make_dataset

from workers.tasks.classification import stratified_split
from workers.tasks.task import Examples, Splits


@cache
def _canonical() -> tuple[Examples, Examples]:
    """Generate the published 4000 + 1000 signals; takes some seconds, so once a process.

    The generator seeds the global random states; what the caller had there is put back.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        data = make_dataset()
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
    return (
        (data["x"].astype(np.float32), data["y"].astype(np.int64)),
        (data["x_test"].astype(np.float32), data["y_test"].astype(np.int64)),
    )


def load(seed: int) -> Splits:
    """Return the canonical test set; validation is 600 of the 4000 training signals."""
    examples, test = _canonical()
    train, validation = stratified_split(examples, 600, seed)
    return Splits(train, validation, test)


def load_published(_seed: int) -> Splits:
    """Return what the published recipe uses: all 4000 training signals, no validation.

    The test set stands in for validation, so nothing may be chosen by it: for reproducing published
    accuracies, not for a task. The seed changes nothing.
    """
    train, test = _canonical()
    return Splits(train, test, test)
