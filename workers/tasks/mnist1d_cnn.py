"""MNIST-1D with the convolutional network of its authors."""

from torch import Tensor, nn

from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.mnist1d import load
from workers.tasks.task import Problem


class CNN(nn.Module):
    """Three convolutions of 25 channels and stride 2, which leave 5 positions; then linear."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, 25, 5, stride=2, padding=1)
        self.second = nn.Conv1d(25, 25, 3, stride=2, padding=1)
        self.third = nn.Conv1d(25, 25, 3, stride=2, padding=1)
        self.classifier = nn.Linear(25 * 5, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, 40) signals to (n, 10) logits."""
        hidden = inputs.unsqueeze(1)
        for convolution in (self.first, self.second, self.third):
            hidden = convolution(hidden).relu()
        logits: Tensor = self.classifier(hidden.flatten(1))
        return logits


PROBLEM = Problem(load=load, model=CNN, loss=cross_entropy, score=accuracy)
