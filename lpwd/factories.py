"""The factories that the built-in catalogue entries name."""

from typing import Any

from torch import Tensor

from lpwd.optimizer import Params
from lpwd.optimizers import SGD, Adam


def sgd(groups: Params, *, lr: float | Tensor, weight_decay: float | Tensor, **options: Any) -> SGD:
    """Build SGD; `options` are those of `lpwd.SGD`."""
    return SGD(groups, lr, weight_decay=weight_decay, **options)


def adam(
    groups: Params,
    *,
    lr: float | Tensor,
    weight_decay: float | Tensor,
    beta1: float,
    beta2: float,
    **options: Any,
) -> Adam:
    """Build Adam; `options` are those of `lpwd.Adam`."""
    return Adam(groups, lr, (beta1, beta2), weight_decay=weight_decay, **options)
