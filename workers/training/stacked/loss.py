"""Cross entropy: forward and backward as few, vectorised kernels without gather and scatter."""

from typing import Any

import torch
from torch import Tensor

from workers.training.stacked.lift import lift


class StackedCrossEntropy(torch.autograd.Function):
    """Mean over n of −log softmax at the target, for logits (K, c, n) and targets (K or 1, n)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        """Return (K,)."""
        log_probabilities = logits.log_softmax(1)
        classes = torch.arange(logits.shape[1], device=logits.device).unsqueeze(1)
        chosen = (targets.unsqueeze(1) == classes).to(logits.dtype)
        ctx.save_for_backward(log_probabilities, chosen)
        return -(log_probabilities * chosen).sum((1, 2)) / logits.shape[2]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """(softmax − one at the target) / n, times each model's own gradient."""
        log_probabilities, chosen = ctx.saved_tensors
        scale = (gradient / chosen.shape[2]).view(-1, 1, 1)
        return (log_probabilities.exp() - chosen) * scale, None


def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor | None:
    """`torch.nn.functional.cross_entropy` of logits (n, c) against class numbers, as a mean.

    Everything else (soft targets, weights, smoothing, further axes) is left to `torch.vmap`; so are
    targets to ignore, if they are among the classes: others are no targets of a task.
    """
    plain = logits.ndim == 2 and targets.ndim == 1 and not targets.is_floating_point()
    usual = weight is None and reduction == "mean" and label_smoothing == 0.0 and ignore_index < 0
    if size_average is not None or reduce is not None or not (plain and usual):
        return None
    return lift(_stacked, logits, targets)


def _stacked(logits: Tensor, targets: Tensor) -> Tensor:
    if torch.is_autocast_enabled(logits.device.type):
        logits = logits.float()
    losses: Tensor = StackedCrossEntropy.apply(logits.mT, targets)
    return losses
