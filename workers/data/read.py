"""Data sets that were fetched, read by torchvision and PyTorch. Imports torch: for workers only."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision import datasets as readers

from workers import data

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


def _unchecked(files: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Return torchvision's lists of files and checksums with the checksums, which are last, left
    out: they were compared when the data set was fetched, here files only have to exist."""
    return [[*file[:-1], None] for file in files]


class _CIFAR10(readers.CIFAR10):  # type: ignore[misc]
    train_list: ClassVar = _unchecked(readers.CIFAR10.train_list)
    test_list: ClassVar = _unchecked(readers.CIFAR10.test_list)
    meta: ClassVar = readers.CIFAR10.meta | {"md5": None}


class _CIFAR100(readers.CIFAR100):  # type: ignore[misc]
    train_list: ClassVar = _unchecked(readers.CIFAR100.train_list)
    test_list: ClassVar = _unchecked(readers.CIFAR100.test_list)
    meta: ClassVar = readers.CIFAR100.meta | {"md5": None}


class _SVHN(readers.SVHN):  # type: ignore[misc]
    split_list: ClassVar = dict(
        zip(readers.SVHN.split_list, _unchecked(readers.SVHN.split_list.values()), strict=True)
    )


def images(name: str) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
    """Read a data set's training and test images; the last one read stays in memory.

    Args:
        name: ``mnist``, ``fashion-mnist``, ``cifar10``, ``cifar100`` or ``svhn``.

    Returns:
        Twice images (n, channels, height, width) and class numbers (n,). They are everyone's: not
        to be written to.
    """
    return _images(name, data.folder() / name)


def weights(name: str) -> dict[str, Tensor]:
    """Read a data set that is a model's weights; the last one read stays in memory.

    They are everyone's: not to be written to.
    """
    (download,) = data.get(name).downloads
    return _weights(data.folder() / name / download.name)


@lru_cache(maxsize=1)
def _images(name: str, root: Path) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
    both: tuple[Any, Any]
    match name:
        case "mnist" | "fashion-mnist":
            kind = readers.MNIST if name == "mnist" else readers.FashionMNIST
            both = kind(root, train=True), kind(root, train=False)
            read = tuple((one.data.numpy()[:, None], one.targets.numpy()) for one in both)
        case "cifar10" | "cifar100":
            kind = _CIFAR10 if name == "cifar10" else _CIFAR100
            both = kind(root, train=True), kind(root, train=False)
            read = tuple((one.data.transpose(0, 3, 1, 2), one.targets) for one in both)
        case "svhn":
            both = _SVHN(root, "train"), _SVHN(root, "test")
            read = tuple((one.data, one.labels) for one in both)
        case _:
            raise ValueError(f"no images are read from {name!r}")
    train, test = (
        (np.ascontiguousarray(pixels, np.uint8), np.asarray(labels, np.int64))
        for pixels, labels in read
    )
    return train, test


@lru_cache(maxsize=1)
def _weights(path: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return found
