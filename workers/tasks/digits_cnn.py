"""Handwritten digits with a small convolutional network."""

from torch import Tensor, nn

from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.digits import load
from workers.tasks.task import Problem


class CNN(nn.Module):
    """Two 3×3 convolutions, of 8 and 16 channels, each in steps of 2 pixels; then linear."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, stride=2, padding=1)
        self.second = nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.classifier = nn.Linear(16 * 2 * 2, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, 64) pixels to (n, 10) logits."""
        images = inputs.reshape(-1, 1, 8, 8)
        hidden = self.first(images).relu()
        hidden = self.second(hidden).relu()
        logits: Tensor = self.classifier(hidden.flatten(1))
        return logits


PROBLEM = Problem(load=load, model=CNN, loss=cross_entropy, score=accuracy)
