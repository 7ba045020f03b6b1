"""Street View House Numbers with a convolutional network and dropout."""

from torch import nn

from workers.tasks import images
from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.task import Problem


def _stage(before: int, after: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(8, after), nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1), nn.GroupNorm(8, after), nn.ReLU(),
        nn.MaxPool2d(2), nn.Dropout(0.2),
    )  # fmt: skip


def model() -> nn.Module:
    """Three stages of two 3×3 convolutions, of 32, 64 and 128 channels; dropout after each."""
    return nn.Sequential(
        _stage(3, 32),
        _stage(32, 64),
        _stage(64, 128),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


PROBLEM = Problem(
    load=images.Load("svhn"),
    model=model,
    loss=cross_entropy,
    score=accuracy,
    augment=images.Crop(padding=4),
    prepare=images.SVHN,
)
