"""The task's problem: data, model, loss and score."""

import numpy as np
from sklearn.datasets import make_moons
from torch import nn

from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.task import Problem, Splits


def load(seed: int) -> Splits:
    """200 points: 120 to train, 40 to validate, 40 to test."""
    inputs, targets = make_moons(200, noise=0.1, random_state=seed)
    inputs, targets = inputs.astype(np.float32), targets.astype(np.int64)
    cuts = (slice(0, 120), slice(120, 160), slice(160, 200))
    train, validation, test = ((inputs[cut], targets[cut]) for cut in cuts)
    return Splits(train, validation, test)


def model() -> nn.Module:
    """2 coordinates, 16 hidden units, 2 classes."""
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))


PROBLEM = Problem(load=load, model=model, loss=cross_entropy, score=accuracy)
