"""CIFAR-100 with Swin-Tiny, fine-tuned from torchvision's ImageNet weights."""

from torch import nn
from torchvision.models import SwinTransformer

from workers.data import read
from workers.tasks import fine_tuning
from workers.tasks.task import Problem


def model() -> nn.Module:
    """All layers as trained on ImageNet but the last, which is new; no stochastic depth."""
    made = SwinTransformer(  # torchvision's swin_t has its stochastic depth built in
        patch_size=[4, 4],
        embed_dim=96,
        depths=[2, 2, 6, 2],
        num_heads=[3, 6, 12, 24],
        window_size=[7, 7],
        stochastic_depth_prob=0.0,
    )
    made.load_state_dict(read.weights("swin-tiny-imagenet"))
    made.head = nn.Linear(768, 100)
    adapted: nn.Module = made
    return adapted


def problem_at(resolution: int = fine_tuning.RESOLUTION) -> Problem:
    """Return the problem with images enlarged to so many pixels a side."""
    return fine_tuning.problem("cifar100", model, resolution)


PROBLEM = problem_at()
