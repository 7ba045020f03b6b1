"""CIFAR-10 with ConvNeXt-Tiny, fine-tuned from torchvision's ImageNet weights."""

from torch import nn
from torchvision.models import convnext_tiny

from workers.data import read
from workers.tasks import fine_tuning
from workers.tasks.task import Problem


def model() -> nn.Module:
    """All layers as trained on ImageNet but the last, which is new; no stochastic depth."""
    made = convnext_tiny(stochastic_depth_prob=0.0)
    made.load_state_dict(read.weights("convnext-tiny-imagenet"))
    made.classifier[2] = nn.Linear(768, 10)
    adapted: nn.Module = made
    return adapted


def problem_at(resolution: int = fine_tuning.RESOLUTION) -> Problem:
    """Return the problem with images enlarged to so many pixels a side."""
    return fine_tuning.problem("cifar10", model, resolution)


PROBLEM = problem_at()
