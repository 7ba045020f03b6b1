"""Fashion-MNIST with a convolutional network that is normalised in groups of channels."""

from torch import nn

from workers.tasks import images
from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.task import Problem


def model() -> nn.Module:
    """Two 3×3 convolutions, of 32 and 64 channels, with GroupNorm and pooling; then 128 units."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.GroupNorm(8, 32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.GroupNorm(8, 64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 128), nn.ReLU(),
        nn.Linear(128, 10),
    )  # fmt: skip


PROBLEM = Problem(
    load=images.Load("fashion-mnist"),
    model=model,
    loss=cross_entropy,
    score=accuracy,
    prepare=images.FASHION_MNIST,
)
