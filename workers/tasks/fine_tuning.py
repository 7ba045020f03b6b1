"""What tasks that start from ImageNet weights share."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from workers.tasks import images
from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.task import Problem

RESOLUTION = 224
"""Pixels a side that the weights were trained at."""


@dataclass(frozen=True)
class Resize:
    """Bytes to numbers as the ImageNet weights expect them, enlarged on the batch's device."""

    resolution: int

    def __call__(self, batch: Tensor) -> Tensor:
        """Bytes (n, 3, H, W) to float32 (n, 3, resolution, resolution)."""
        return functional.interpolate(
            images.IMAGENET(batch), (self.resolution, self.resolution), mode="bilinear"
        )


def problem(dataset: str, model: Callable[[], nn.Module], resolution: int) -> Problem:
    """Return the problem of a data set and a model that takes images of a resolution.

    Images are shifted and mirrored at their own size, then enlarged.
    """
    return Problem(
        load=images.Load(dataset),
        model=model,
        loss=cross_entropy,
        score=accuracy,
        augment=images.Crop(padding=4, flip=True),
        prepare=Resize(resolution),
    )
