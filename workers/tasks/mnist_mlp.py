"""MNIST with a multilayer perceptron."""

from torch import nn

from workers.tasks import images
from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.task import Problem


def model() -> nn.Module:
    """28×28 pixels, two hidden layers of 256 ReLU units, 10 classes."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(28 * 28, 256), nn.ReLU(),
        nn.Linear(256, 256), nn.ReLU(),
        nn.Linear(256, 10),
    )  # fmt: skip


PROBLEM = Problem(
    load=images.Load("mnist"),
    model=model,
    loss=cross_entropy,
    score=accuracy,
    prepare=images.MNIST,
)
