"""The order in which a model uses its parameters, seen in one forward pass."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def use_order(model: nn.Module, inputs: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[str]:
    """Return the names of `model`'s parameters in order of first use, then those never used.

    The forward pass runs without gradients, in evaluation mode (so that no running statistic
    moves) and with the random state put back after it; every module's mode is restored. Any torch
    function that is handed a parameter and returns a tensor is a use, so functional weights count
    as well as those of modules. Names are those of `named_parameters()`: a tied weight has one.
    """
    training = {module: module.training for module in model.modules()}
    devices = {p.device.index for p in model.parameters() if p.device.type == "cuda"}
    recorder = _FirstUse()
    try:
        model.eval()
        with torch.random.fork_rng(devices=sorted(devices)), torch.no_grad(), recorder:
            model(*inputs, **kwargs)
    finally:
        for module, mode in training.items():
            module.training = mode
    # Names are looked up afterwards, since lazy modules make their parameters in the pass.
    names = {id(param): name for name, param in model.named_parameters()}
    used = [names[key] for key in recorder.seen if key in names]
    chosen = set(used)
    return used + [name for name in names.values() if name not in chosen]


class _FirstUse(TorchFunctionMode):
    """Remembers the parameters that torch functions are handed, by identity, first use first."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[int, Tensor] = {}

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run `func`, and note its parameters if a tensor comes out of it.

        Reading a `.shape` or a `.device` is a torch function too, but uses no weight.
        """
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if any(True for _ in _tensors(result)):
            for tensor in _tensors((args, kwargs)):
                if isinstance(tensor, nn.Parameter):
                    self.seen.setdefault(id(tensor), tensor)
        return result


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
