"""What decay and update do to each parameter, measured on every so-many-th step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

import torch
from torch import Tensor

from lpwd.errors import InvalidHyperparameter
from lpwd.optimizer import DecayedOptimizer
from lpwd.slices import Group, Slice, decays, is_stacked


@dataclass(frozen=True, slots=True)
class ParameterStep:
    """One parameter's last measured step. Each figure is a tensor: (), or (K,) in a stack.

    With D what the decay took away and U what the update took away from the weights θ:

    Attributes:
        name: of the parameter, or its number where the optimizer knows no names.
        layer: its layer's index, where the optimizer knows it.
        opposing_rate: share of the elements that the decay left larger: |θ − D − U| > |θ − U|,
            the "delay defect" of decoupled decay (OpenReview 0GZ1Bq4Tfr).
        decay_share: ‖D‖ / ‖θ‖, the share of the weight norm that the decay took away.
        update_ratio: ‖U‖ / ‖θ‖.
    """

    name: str
    layer: int | None
    opposing_rate: Tensor
    decay_share: Tensor
    update_ratio: Tensor


@dataclass(slots=True)
class _Measured:
    """The weights of one parameter before its step, and what was taken away since."""

    theta: Tensor
    decay: Tensor
    update: Tensor


@dataclass
class StepDiagnostics:
    """Watches an optimizer's decayed parameters; `latest` holds the last measured step.

    A step that is not measured costs nothing; one that is costs three copies of the decayed
    weights. Figures stay on their device, so nothing waits for a GPU until they are read. Example::

        with StepDiagnostics(optimizer, every=100) as diagnostics:
            train()
        for one in diagnostics.latest:
            print(one.name, float(one.opposing_rate))

    Rules that act on the gradient (L2) take nothing away from the weights, so their share is 0.

    Attributes:
        optimizer: any of the library's own; it has one observer at a time.
        every: measure steps 1, 1 + every, 1 + 2·every, …
        latest: one entry a decayed parameter, in the optimizer's order.
    """

    optimizer: DecayedOptimizer
    every: int = 100
    latest: list[ParameterStep] = field(default_factory=list)
    _steps: int = 0
    _measured: dict[int, _Measured] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InvalidHyperparameter(f"every must be a whole number >= 1, not {self.every!r}")
        if self.optimizer.observer is not None:
            raise InvalidHyperparameter("this optimizer is being observed already; close that one")
        self.optimizer.observer = self

    def close(self) -> None:
        """Stop watching."""
        self.optimizer.observer = None

    def observe_decay(self, part: Slice, act: Callable[[Slice], None]) -> None:
        """Run `act`, the decay of `part`, and note what it took away."""
        self._observe(part, act, "decay")

    def observe_update(self, part: Slice, act: Callable[[Slice], None]) -> None:
        """Run `act`, the update of `part`, and note what it took away."""
        self._observe(part, act, "update")

    def observe_end(self) -> None:
        """Work out the figures of a measured step, and go on to the next."""
        if self._measured:
            self.latest = [
                self._figures(group, position, self._measured[id(group["params"][position])])
                for group in self.optimizer.param_groups
                for position in range(len(group["params"]))
                if id(group["params"][position]) in self._measured
            ]
            self._measured.clear()
        self._steps += 1

    def _observe(self, part: Slice, act: Callable[[Slice], None], what: str) -> None:
        if self._steps % self.every or not decays(part.group):
            act(part)
            return
        before = [param.clone() for param in part.params]
        act(part)
        for position, old, new in zip(part.positions, before, part.params, strict=True):
            key = id(part.group["params"][position])
            if key not in self._measured:
                self._measured[key] = _Measured(old, torch.zeros_like(old), torch.zeros_like(old))
            setattr(self._measured[key], what, old - new)

    def _figures(self, group: Group, position: int, one: _Measured) -> ParameterStep:
        free = one.theta - one.update
        stacked = is_stacked(group)
        larger = (free - one.decay).abs() > free.abs()
        size = _norm(one.theta, stacked).clamp_min(torch.finfo(one.theta.dtype).tiny)
        return ParameterStep(
            name=group["param_names"][position] if "param_names" in group else str(position),
            layer=group["layers"][position] if "layers" in group else None,
            opposing_rate=_rows(larger.to(one.theta.dtype), stacked).mean(-1),
            decay_share=_norm(one.decay, stacked) / size,
            update_ratio=_norm(one.update, stacked) / size,
        )

    def __enter__(self) -> "StepDiagnostics":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _rows(values: Tensor, stacked: bool) -> Tensor:
    return values.reshape(len(values), -1) if stacked else values.flatten()


def _norm(values: Tensor, stacked: bool) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(_rows(values, stacked), dim=-1)
    return norm
