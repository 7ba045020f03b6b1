"""Handwritten digits with a linear model."""

from torch import nn

from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.digits import load
from workers.tasks.task import Problem


def model() -> nn.Module:
    """64 pixels, 10 classes: multinomial logistic regression."""
    return nn.Linear(64, 10)


PROBLEM = Problem(load=load, model=model, loss=cross_entropy, score=accuracy)
