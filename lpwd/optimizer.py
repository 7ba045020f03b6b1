"""The optimizer that joins one base update with one decay rule."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol, overload

import torch
from torch import Tensor, nn

from lpwd.errors import (
    InvalidHyperparameter,
    MissingDecay,
    MissingLayers,
    UnsupportedGradient,
)
from lpwd.family import FamilyOptimizer, Params
from lpwd.layers.schedules import LayerSchedule, Matched, Mean, layer_factors, named_schedule
from lpwd.rates import check_rate
from lpwd.rules import RULES, DecayRule, Moment
from lpwd.slices import Group, Slice, State, decays, split
from lpwd.updates import BaseUpdate


class StepObserver(Protocol):
    """Something that stands around each decay and update of a slice, and runs it."""

    def observe_decay(self, part: Slice, act: Callable[[Slice], None]) -> None:
        """Run `act(part)`, the decay."""

    def observe_update(self, part: Slice, act: Callable[[Slice], None]) -> None:
        """Run `act(part)`, the update."""

    def observe_end(self) -> None:
        """Hear that the step is over."""


class DecayedOptimizer(FamilyOptimizer):
    """A `torch.optim.Optimizer` made of a base update and a decay rule. Use a subclass.

    A group's `lr` and `weight_decay` are floats or tensors of shape (K,). In the second case each
    parameter holds K models along its leading axis, and slice k moves as one model with `lr[k]`
    and `weight_decay[k]` would. Both are read at every step, so a schedule may change them.
    """

    update: ClassVar[BaseUpdate]
    observer: StepObserver | None = None  # a diagnosis; not copied and not saved

    def __init__(
        self,
        params: Params,
        defaults: dict[str, Any],
        *,
        rule: DecayRule | str,
        layer_schedule: LayerSchedule | Matched | str | None,
        normalise: Mean | None = None,
    ) -> None:
        self.rule = _rule(rule)
        self.layer_schedule = None if layer_schedule is None else named_schedule(layer_schedule)
        self.normalise = normalise
        if not self.rule.couples and not defaults["coupled"]:
            raise InvalidHyperparameter(
                f"coupled=False means nothing to {type(self.rule).__name__}, "
                "where the learning rate plays no part in the decay; leave it out"
            )
        if self.rule.moment is Moment.BEFORE_FORWARD:
            defaults = {**defaults, "decayed": False}
        super().__init__(params, defaults)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group. One added after `decay()` must be decayed before `step()` as well.

        Raises:
            InvalidHyperparameter: a rate is negative, not finite, or a (K,) tensor beside a
                parameter whose leading axis is not K; or a setting of the base update is wrong.
            MissingLayers: there is a layer schedule, and the group has no layer positions.
        """
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            for name in ("lr", "weight_decay"):
                check_rate(name, group[name], group["params"])
            self.update.check(group)
            group["factors"] = self._factors(group)
            self.rule.prepare(group, self.update)
        except Exception:
            self.param_groups.pop()  # a refused group must not stay behind, whatever refused it
            raise

    @torch.no_grad()
    def decay(self) -> None:
        """Decay the weights, where the rule does so before the forward pass; else do nothing.

        Call it before the forward pass. It acts once per step: further calls do nothing until
        `step()` was called, so it may stand inside a loop that accumulates gradients. A step
        that a `GradScaler` skips keeps its decay for the next one. Parameters with
        `requires_grad=False` are left alone; one that then gets no gradient has been decayed.
        """
        if self.rule.moment is not Moment.BEFORE_FORWARD:
            return
        for group in self.param_groups:
            if group["decayed"]:
                continue
            for part in self._decayed_slices(group):
                self._shrink(part)
            group["decayed"] = True

    def decayed_slices(self) -> list[Slice]:
        """Return the trained parameters that decay, without their gradients."""
        return [part for group in self.param_groups for part in self._decayed_slices(group)]

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update the parameters that have a gradient.

        Args:
            closure: evaluates the model with gradients and returns the loss. With it, the whole
                step is decay → closure → update; without, `decay()` must have been called before
                the forward pass if the rule decays there.

        Returns:
            What the closure returned.

        Raises:
            MissingDecay: the rule decays before the forward pass, and nothing did.
            UnsupportedGradient: a gradient is sparse.
        """
        loss = None
        if closure is not None:
            self.decay()
            with torch.enable_grad():
                loss = closure()
        self._require_decay()
        slices = [
            part
            for group in self.param_groups
            for part in self._split(group, _has_gradient, with_gradients=True)
        ]
        if self.rule.surveys:
            for part in slices:
                self._advance(part)
            self.rule.survey(slices, self.update)
            for part in slices:
                self._descend(part)
        else:
            for part in slices:
                self._advance(part)
                self._descend(part)
        for group in self.param_groups:
            if "decayed" in group:
                group["decayed"] = False
        if self.observer is not None:
            self.observer.observe_end()
        return loss

    def _advance(self, part: Slice) -> None:
        if part.group["maximize"]:
            part.grads = list(torch._foreach_neg(part.grads))
        if self.rule.moment is Moment.GRADIENT and decays(part.group):
            part.grads = self.rule.penalise(part)
        part.direction = self.update.advance(part)

    def _descend(self, part: Slice) -> None:
        moment = self.rule.moment if decays(part.group) else None
        if moment is Moment.BEFORE_UPDATE:
            self._shrink(part)
        if self.observer is None:
            self.update.descend(part)
        else:
            self.observer.observe_update(part, self.update.descend)
        if moment is Moment.AFTER_UPDATE:
            self._shrink(part)

    def _shrink(self, part: Slice) -> None:
        if self.observer is None:
            self.rule.shrink(part)
        else:
            self.observer.observe_decay(part, self.rule.shrink)

    def _decayed_slices(self, group: Group) -> list[Slice]:
        return self._split(group, _trained, with_gradients=False) if decays(group) else []

    def _split(
        self, group: Group, chosen: Callable[[Tensor], bool], *, with_gradients: bool
    ) -> list[Slice]:
        # Before the forward pass nothing is created, as some parameters may get no gradient.
        state_of = self.state.__getitem__ if with_gradients else self._present_state
        return split(group, state_of, chosen, with_gradients=with_gradients)

    def _present_state(self, param: Tensor) -> State:
        state: State = self.state.get(param, {})
        return state

    def _require_decay(self) -> None:
        if any(not group.get("decayed", True) for group in self.param_groups):
            raise MissingDecay(
                f"{type(self).__name__} decays before the forward pass, and this step did not: "
                "call optimizer.decay() before the forward pass, or optimizer.attach(model) once, "
                "or pass a closure to step()"
            )

    def _factors(self, group: Group) -> list[float] | None:
        """Return the multiplier of each parameter's decay, or None where all are 1.

        A group may bring its own `factors`: one number for all, or one a parameter.
        """
        count = len(group["params"])
        given = group.get("factors")
        if given is not None:
            factors = [float(given)] * count if isinstance(given, float | int) else list(given)
            if len(factors) != count:
                raise InvalidHyperparameter(
                    f"a group has {count} parameters but {len(factors)} factors; give one each"
                )
            return factors
        if self.layer_schedule is None:
            return None
        if "layers" not in group or "layer_count" not in group:
            raise MissingLayers(
                f"{type(self).__name__} decays by layer, and these parameters have no layers: "
                "pass layer_groups(model, example_input) instead of model.parameters()"
            )
        if len(group["layers"]) != count:
            raise MissingLayers(
                f"a group has {count} parameters but {len(group['layers'])} layers; give one each"
            )
        factors = layer_factors(
            self.layer_schedule, group["layer_count"], group.get("layer_sizes"), self.normalise
        )
        if not all(1 <= layer <= len(factors) for layer in group["layers"]):
            raise MissingLayers(
                f"layers must be 1 … {len(factors)} (layer_count), not {group['layers']!r}"
            )
        return [factors[layer - 1] for layer in group["layers"]]

    def __getstate__(self) -> dict[str, Any]:
        # torch.optim.Optimizer names what it copies and pickles, and knows nothing of ours.
        return {
            **super().__getstate__(),
            "rule": self.rule,
            "layer_schedule": self.layer_schedule,
            "normalise": self.normalise,
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load what `state_dict()` returned, of this optimizer or of `torch.optim`'s.

        Group entries that the saved one lacks, such as layer positions, keep their present value.
        """
        kept = [
            {key: value for key, value in group.items() if key != "params"}
            for group in self.param_groups
        ]
        super().load_state_dict(dict(state_dict))
        for group, before in zip(self.param_groups, kept, strict=True):
            for key, value in before.items():
                group.setdefault(key, value)


def _rule(rule: DecayRule | str) -> DecayRule:
    if isinstance(rule, DecayRule):
        return rule
    if rule not in RULES:
        raise InvalidHyperparameter(f"rule must be one of {', '.join(RULES)}, not {rule!r}")
    return RULES[rule]()


def _trained(param: Tensor) -> bool:
    """Say whether a pre-decay may touch `param` before its gradient is known.

    A frozen `nn.Parameter` is none of ours. A plain tensor (a view into stacked parameters, whose
    gradient is set by hand) says nothing by `requires_grad`, so it counts as trained.
    """
    return param.requires_grad or not isinstance(param, nn.Parameter)


def _has_gradient(param: Tensor) -> bool:
    if param.grad is None:
        return False
    if param.grad.layout is not torch.strided:
        raise UnsupportedGradient(
            f"a parameter of shape {tuple(param.shape)} has a {param.grad.layout} gradient; only "
            "dense ones are supported: set sparse=False on the embedding"
        )
    return True
