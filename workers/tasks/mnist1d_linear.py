"""MNIST-1D with a linear model."""

from torch import nn

from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.mnist1d import load
from workers.tasks.task import Problem


def model() -> nn.Module:
    """40 samples, 10 classes."""
    return nn.Linear(40, 10)


PROBLEM = Problem(load=load, model=model, loss=cross_entropy, score=accuracy)
