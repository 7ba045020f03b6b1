"""K models' weights and running statistics, along a leading axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Models:
    """K models in training. Their tensors change in place and stay the same ones."""

    parameters: dict[str, Tensor]
    """Name to (K, …)."""
    moving: dict[str, Tensor]
    """Running statistics, likewise."""
    fixed: Mapping[str, Tensor]
    """All other buffers, shared by all of them."""

    def __len__(self) -> int:
        """Return K."""
        return len(next(iter(self.parameters.values())))

    @cached_property
    def tensors(self) -> list[Tensor]:
        """All of them: parameters, running statistics, buffers."""
        return [*self.parameters.values(), *self.moving.values(), *self.fixed.values()]

    @cached_property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """The names of these, by part."""
        return tuple(self.parameters), tuple(self.moving), tuple(self.fixed)

    def only(self, kept: Tensor) -> "Models":
        """Return the chosen models, by their indices (k,) int64."""
        return Models(select(self.parameters, kept), select(self.moving, kept), self.fixed)


def stack_of(
    models: Sequence[nn.Module], names: Sequence[str], rows: Tensor, *, channels_last: bool
) -> dict[str, Tensor]:
    """Give every trial its seed's tensors.

    Args:
        models: One a seed, freshly initialised.
        names: Of parameters or buffers.
        rows: (K,) int64, the seed's model of each trial.
        channels_last: Whether convolution weights lie with the channels innermost.

    Returns:
        Name to (K, …).
    """
    tensors = [dict([*model.named_parameters(), *model.named_buffers()]) for model in models]
    return {
        name: laid_out(
            torch.stack([of[name].detach() for of in tensors]).to(rows.device)[rows],
            channels_last=channels_last,
        )
        for name in names
    }


def laid_out(tensor: Tensor, *, channels_last: bool) -> Tensor:
    """Return (K, o, c, …) with c innermost in memory, if so wanted and if there is a … at all."""
    if not channels_last or tensor.ndim < 4:
        return tensor.contiguous()
    return tensor.movedim(2, -1).contiguous().movedim(-1, 2)


def select(tensors: Mapping[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
    """Return the chosen models' tensors, laid out in memory as before.

    Args:
        tensors: Name to (K, …).
        kept: Indices of the models that stay, (k,) int64.
    """
    return {name: keep(tensor, kept) for name, tensor in tensors.items()}


def keep(tensor: Tensor, kept: Tensor) -> Tensor:
    """Return the chosen rows of (K, …), laid out in memory as before."""
    chosen = torch.empty_strided(
        (len(kept), *tensor.shape[1:]), tensor.stride(), dtype=tensor.dtype, device=tensor.device
    )
    return chosen.copy_(tensor[kept])
