"""MNIST-1D with the multilayer perceptron of its authors."""

import random
from functools import cache

import numpy as np
from mnist1d.data import make_dataset
from torch import Tensor, nn

from workers.tasks.classification import accuracy, cross_entropy, stratified_split
from workers.tasks.task import Examples, Problem, Splits


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


class ResidualMLP(nn.Module):
    """40-100-100-10, the middle layer added to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(40, 100)
        self.middle = nn.Linear(100, 100)
        self.last = nn.Linear(100, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, 40) signals to (n, 10) logits."""
        hidden = self.first(inputs).relu()
        hidden = hidden + self.middle(hidden).relu()
        logits: Tensor = self.last(hidden)
        return logits


PROBLEM = Problem(load=load, model=ResidualMLP, loss=cross_entropy, score=accuracy)
