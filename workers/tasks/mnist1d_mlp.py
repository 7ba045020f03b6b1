"""MNIST-1D with the multilayer perceptron of its authors."""

from torch import Tensor, nn

from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.mnist1d import load
from workers.tasks.task import Problem


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
