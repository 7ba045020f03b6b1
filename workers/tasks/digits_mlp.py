"""Handwritten digits with a small multilayer perceptron."""

from torch import nn

from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.digits import load
from workers.tasks.task import Problem


def model() -> nn.Module:
    """64 pixels, 64 hidden units, 10 classes."""
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


PROBLEM = Problem(load=load, model=model, loss=cross_entropy, score=accuracy)
