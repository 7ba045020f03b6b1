"""What a seed fixes. Pairing rests on this: one seed gives every optimizer and every cell the same
initial weights, splits, batches, augmentation and dropout, on every device and in every pack."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor, nn

from workers.tasks import Problem, Splits


class Stream(IntEnum):
    """Independent streams of randomness drawn from one seed."""

    SPLIT = 0
    INITIALISATION = 1
    ORDER = 2
    AUGMENTATION = 3
    NOISE = 4


def derive(seed: int, stream: Stream, index: int = 0) -> int:
    """Derive a 32-bit seed for one stream, statistically independent of the others."""
    return int(np.random.SeedSequence([seed, stream, index]).generate_state(1)[0])


def generator(seed: int, stream: Stream, index: int) -> torch.Generator:
    """Return a generator on the CPU: what it draws is the same whatever the device."""
    return torch.Generator().manual_seed(derive(seed, stream, index))


def initial_model(problem: Problem, seed: int) -> nn.Module:
    """Initialise the model on the CPU; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, Stream.INITIALISATION))
        return problem.model()


def load_splits(problem: Problem, seed: int) -> Splits:
    """Load the data as the seed splits it."""
    return problem.load(derive(seed, Stream.SPLIT))


def batch_order(seeds: Sequence[int], epoch: int, examples: int) -> Tensor:
    """Order in which each seed sees the training examples.

    Args:
        seeds: S seeds.
        epoch: From 0.
        examples: n.

    Returns:
        (S, n) int64 on the CPU, a permutation in every row.
    """
    return torch.stack(
        [torch.randperm(examples, generator=generator(seed, Stream.ORDER, epoch)) for seed in seeds]
    )
