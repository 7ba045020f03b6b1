"""Optimizers from elsewhere, made to look like the family: `decay()`, and stacks of K models."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any, overload

import torch
from torch import Tensor
from torch.linalg import LinAlgError  # type: ignore[attr-defined]  # documented, not in __all__
from torch.optim import Optimizer

from lpwd.errors import InvalidHyperparameter
from lpwd.family import FamilyOptimizer, Params
from lpwd.rates import check_rate
from lpwd.slices import Group

RATES = ("lr", "weight_decay")
Make = Callable[[list[Group], float, float], Optimizer]


class ExternalOptimizer(FamilyOptimizer):
    """One inner optimizer a model, each on its slice of the parameters, with float rates.

    `param_groups` holds the parameters as given and the rates, floats or of shape (K,); the inner
    optimizers hold the state. At every step the present rates are handed on, so reading a tensor
    rate on a GPU waits for it.

    Attributes:
        inner: the optimizers of the K models, or the one optimizer where nothing is stacked.
        diverged: which of a stack's models their optimizers have given up.
    """

    def __init__(
        self, params: Params, make: Make, *, lr: float | Tensor, weight_decay: float | Tensor
    ) -> None:
        self.inner: list[Optimizer] = []
        self.diverged: set[int] = set()
        self._make = make
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})
        self._build()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group to every inner optimizer.

        Raises:
            InvalidHyperparameter: a rate of shape (K,) beside a parameter that stacks not K.
        """
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            for key in RATES:
                check_rate(key, group[key], group["params"])
        except InvalidHyperparameter:
            self.param_groups.pop()
            raise
        for k, optimizer in enumerate(self.inner):
            optimizer.add_param_group(self._inner_group(len(self.param_groups) - 1, k))

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Step every inner optimizer with its model's gradients and the present rates.

        A model of a stack on which its optimizer's linear algebra fails becomes NaN, so that it
        counts as diverged; a single model's failure is raised.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._hand_on()
        for k, optimizer in enumerate(self.inner):
            if k not in self.diverged:
                self._step_one(k, optimizer)
        return loss

    def _hand_on(self) -> None:
        """Give the inner optimizers the present rates, and in a stack each model's gradients."""
        count = len(self.inner)
        rates = [[_list_of(group[key], count) for key in RATES] for group in self.param_groups]
        for k, optimizer in enumerate(self.inner):
            for inner in optimizer.param_groups:
                # A factory may have cut the groups up, so a parameter tells where one belongs.
                if inner["params"]:
                    lr, weight_decay = rates[self._homes[id(inner["params"][0])][0]]
                    inner["lr"] = lr[k] * inner.get("lr_multiplier", 1.0)
                    inner["weight_decay"] = weight_decay[k]
                for param in inner["params"] if self._stacked else ():
                    whole = self._homes[id(param)][1]
                    param.grad = None if whole.grad is None else whole.grad[k]

    def _step_one(self, k: int, optimizer: Optimizer) -> None:
        try:
            optimizer.step()
        except LinAlgError:
            if not self._stacked:
                raise
            # The model must show it, and its optimizer is no longer of use; the others go on.
            for group in optimizer.param_groups:
                torch._foreach_mul_(group["params"], torch.nan)
            self.diverged.add(k)

    def train(self) -> None:
        """Put the weights where training goes on, for optimizers that evaluate elsewhere."""
        for optimizer in self.inner:
            if hasattr(optimizer, "train"):
                optimizer.train()

    def eval(self) -> None:
        """Put the weights where the model is evaluated, for optimizers that train elsewhere."""
        for optimizer in self.inner:
            if hasattr(optimizer, "eval"):
                optimizer.eval()

    def state_dict(self) -> dict[str, Any]:
        """Return the groups and the state of each inner optimizer."""
        states = [one.state_dict() for one in self.inner]
        return {**super().state_dict(), "inner": states, "diverged": sorted(self.diverged)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load what `state_dict()` of the same optimizer on as many models returned."""
        own = dict(state_dict)
        states = own.pop("inner")
        self.diverged = set(own.pop("diverged"))
        super().load_state_dict(own)
        for optimizer, state in zip(self.inner, states, strict=True):
            optimizer.load_state_dict(state)

    def __getstate__(self) -> dict[str, Any]:
        # Few optimizers survive a copy or a pickle (torch's own method drops their attributes), so
        # the inner ones are built anew from their state.
        states = [one.state_dict() for one in self.inner]
        own = {"_make": self._make, "_states": states, "diverged": self.diverged}
        return {**super().__getstate__(), **own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        states = state.pop("_states", None)
        super().__setstate__(state)
        if states is not None:
            self._build()
            for optimizer, own in zip(self.inner, states, strict=True):
                optimizer.load_state_dict(own)

    def _build(self) -> None:
        self._stacked = any(_is_stack(group[key]) for group in self.param_groups for key in RATES)
        self._homes: dict[int, tuple[int, Tensor]] = {}
        lr, weight_decay = (self.defaults[key] for key in RATES)
        self.inner = [
            self._make(
                [self._inner_group(index, k) for index in range(len(self.param_groups))],
                _of(lr, k),
                _of(weight_decay, k),
            )
            for k in range(self._count())
        ]

    def _count(self) -> int:
        sizes = [len(g[key]) for g in self.param_groups for key in RATES if _is_stack(g[key])]
        return max(sizes, default=1)

    def _inner_group(self, index: int, k: int) -> Group:
        """Return model k's part of a group, and note which group and parameter each came from."""
        group = self.param_groups[index]
        wholes = group["params"]
        params = [whole.detach()[k] for whole in wholes] if self._stacked else list(wholes)
        for param, whole in zip(params, wholes, strict=True):
            self._homes[id(param)] = (index, whole)
        lr, weight_decay = (_of(group[key], k) for key in RATES)
        return {"params": params, "lr": lr, "weight_decay": weight_decay}


def plain(
    groups: list[Group], *, lr: float, weight_decay: float, path: str, **options: Any
) -> Optimizer:
    """Build the optimizer class at `path` ("module:class"); `beta1`, … become its `betas`."""
    module, _, name = path.partition(":")
    betas = tuple(options.pop(key) for key in sorted(options) if key.startswith("beta"))
    if betas:
        options["betas"] = betas
    cls: Callable[..., Optimizer] = getattr(importlib.import_module(module), name)
    return cls(groups, lr=lr, weight_decay=weight_decay, **options)


def muon(
    groups: list[Group], *, lr: float, weight_decay: float, adamw_multiplier: float, **options: Any
) -> Optimizer:
    """Build `pytorch_optimizer.Muon`: on decayed matrices, with AdamW on everything else.

    Args:
        groups: as of `layer_groups`; what decays and has two or more dimensions is orthogonalised,
            the first and the last layer included.
        lr: learning rate of Muon.
        weight_decay: decay rate of both.
        adamw_multiplier: AdamW's learning rate, as a multiple of Muon's.
        options: of `pytorch_optimizer.Muon`.
    """
    from pytorch_optimizer import Muon  # an optional package's import belongs to its own use

    parts: list[Group] = []
    for group in groups:
        for matrices in (True, False):
            params = [p for p in group["params"] if (p.ndim >= 2) == matrices]
            if params:
                share = {} if matrices else {"lr_multiplier": adamw_multiplier}
                parts.append({**group, "params": params, "use_muon": matrices, **share})
    return Muon(parts, lr=lr, weight_decay=weight_decay, **options)


def _is_stack(rate: object) -> bool:
    return isinstance(rate, Tensor) and rate.ndim == 1


def _of(rate: float | Tensor, k: int) -> float:
    if isinstance(rate, Tensor):
        return float(rate[k] if rate.ndim == 1 else rate)
    return rate


def _list_of(rate: float | Tensor, count: int) -> list[float]:
    if not isinstance(rate, Tensor):
        return [rate] * count
    values: list[float] = rate.flatten().tolist()
    return values if rate.ndim == 1 else values * count
