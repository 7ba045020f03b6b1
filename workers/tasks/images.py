"""What tasks on images share: splits, preparation and augmentation.

Images stay bytes until the batch: `Normalise` makes numbers of them on the batch's device.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from workers.data import read
from workers.tasks.classification import stratified_split
from workers.tasks.task import Splits

VALIDATION = 0.1
"""Share of the training images that is kept for validation."""


@dataclass(frozen=True)
class Load:
    """Seed to splits of a data set: its own test set, and a tenth of its training set to validate.

    Images are bytes (n, channels, height, width). The test images are the same array for every
    seed.
    """

    dataset: str

    def __call__(self, seed: int) -> Splits:
        """Split by the seed, every class in its share."""
        examples, test = read.images(self.dataset)
        size = validation_size(len(examples[1]))
        train, validation = stratified_split(examples, size, seed)
        return Splits(train, validation, test)


def validation_size(examples: int) -> int:
    """Return how many of a data set's training examples validate."""
    return round(VALIDATION * examples)


@dataclass(frozen=True)
class Normalise:
    """Bytes to numbers of about mean 0 and deviation 1 in each channel."""

    mean: tuple[float, ...]
    """Of each channel, with pixels in [0, 1]."""
    deviation: tuple[float, ...]

    def __call__(self, batch: Tensor) -> Tensor:
        """Bytes (n, C, H, W) to float32 of the same shape."""
        mean = torch.tensor(self.mean, device=batch.device).view(-1, 1, 1)
        deviation = torch.tensor(self.deviation, device=batch.device).view(-1, 1, 1)
        return (batch.float() / 255 - mean) / deviation


@dataclass(frozen=True)
class Crop:
    """Each image shifted by a random number of pixels, black moving in; half of them mirrored.

    The same as padding all sides, cropping at random and flipping at random, in one gather for the
    whole batch.
    """

    padding: int
    """Pixels an image may move in each direction, any number up to it being as likely."""
    flip: bool = False
    """Whether every other image, by chance, is mirrored left to right."""

    def __call__(self, batch: Tensor, generator: Generator) -> Tensor:
        """Images (n, C, H, W) to the same; chance from a generator on the CPU."""
        count, _, height, width = batch.shape
        shifts = torch.randint(2 * self.padding + 1, (count, 2), generator=generator)
        mirrored = torch.randint(2 if self.flip else 1, (count, 1), generator=generator) == 1
        across = torch.arange(width)
        rows = shifts[:, :1] + torch.arange(height)
        columns = shifts[:, 1:] + torch.where(mirrored, across.flip(0), across)
        padded = torch.nn.functional.pad(batch, [self.padding] * 4)
        which = torch.arange(count, device=batch.device)[:, None, None]
        rows, columns = rows.to(batch.device), columns.to(batch.device)
        # Indices on both sides of the channels: they end up last.
        return padded[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


MNIST = Normalise((0.1307,), (0.3081,))
FASHION_MNIST = Normalise((0.2860,), (0.3530,))
CIFAR10 = Normalise((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
CIFAR100 = Normalise((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
SVHN = Normalise((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))
IMAGENET = Normalise((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
