"""What every optimizer of the catalogue has beside `torch.optim.Optimizer`'s own methods."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from lpwd.attach import DecayHook

Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]


class FamilyOptimizer(Optimizer):
    """An optimizer that any training loop may treat like LPWD: it has `decay()` and `attach()`."""

    def decay(self) -> None:
        """Decay the weights, where the rule does so before the forward pass; else do nothing."""

    def attach(self, model: nn.Module) -> RemovableHandle:
        """Make `model` call `decay()` before each forward pass in training mode.

        Gradient accumulation decays once, evaluation never, a copy of the model never. Attach
        last, after DDP, FSDP or `torch.compile` wrapped the model. Call `remove()` on the returned
        handle to end it.
        """
        # First of all hooks: FSDP's own gathers the weights, and must gather decayed ones.
        return model.register_forward_pre_hook(DecayHook(self), prepend=True)

    def train(self) -> None:
        """Put the weights where training goes on; does nothing unless the optimizer says so."""

    def eval(self) -> None:
        """Put the weights where the model is evaluated; does nothing unless it says so."""
