"""What classification tasks share."""

import numpy as np
from sklearn.model_selection import train_test_split
from torch import Tensor
from torch.nn import functional

from workers.tasks.task import Examples


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross entropy of logits (n, classes) against class numbers (n,)."""
    return functional.cross_entropy(outputs, targets)


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Share of logits (n, classes) whose largest entry is the target, in [0, 1]."""
    return (outputs.argmax(dim=-1) == targets).to(outputs.dtype).mean()


def stratified_split(examples: Examples, size: int, seed: int) -> tuple[Examples, Examples]:
    """Split off `size` examples with every class in its share; returns (rest, split off)."""
    inputs, targets = examples
    rest, chosen = train_test_split(
        np.arange(len(targets)), test_size=size, stratify=targets, random_state=seed
    )
    return (inputs[rest], targets[rest]), (inputs[chosen], targets[chosen])
