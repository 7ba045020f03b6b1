"""The steps of a family optimizer as programs on its own tensors."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import torch
from torch import Tensor

from lpwd.optimizer import DecayedOptimizer
from lpwd.rules import Moment
from workers.training.program import Kernels, Program
from workers.training.programs import PackPrograms

T = TypeVar("T")
COUNT = "step"
"""Under which name PyTorch's optimizers, and ours, count the steps of a parameter."""


class TracedSteps:
    """Decay and update of one optimizer, traced with stand-ins for all of its tensors.

    The optimizer must have stepped once, so that its state is there; its state tensors are then
    changed in place, and remain the optimizer's.
    """

    def __init__(
        self,
        optimizer: DecayedOptimizer,
        params: list[Tensor],
        gradients: list[Tensor],
        rate: Tensor,
        name: Hashable,
        programs: PackPrograms,
    ) -> None:
        """Trace both.

        Args:
            optimizer: On K stacked models.
            params: Its parameters, (K, …) each.
            gradients: Like those of the steps to come.
            rate: η, shape (K,).
            name: Tells it from optimizers that take another course.
            programs: Of the pack.

        Raises:
            NotTraceableError: The optimizer looks at values.
        """
        self._optimizer = optimizer
        self._params = params
        for group in optimizer.param_groups:
            if "capturable" in group:
                group["capturable"] = True  # steps are counted in tensors, and nothing is read
        for state in optimizer.state.values():
            _count_precisely(state, params[0])
        self._state = self._state_tensors()
        self._settings = [
            group[name]
            for group in optimizer.param_groups
            for name in _tensor_settings(group)
            if name != "lr"
        ]
        self._programs = programs
        self.decay_program = (
            programs.program(("decay", name), self._decay_all, self.decay_takes(params, rate))
            if optimizer.rule.moment is Moment.BEFORE_FORWARD
            else None
        )
        self.update_program = self._trace_update(gradients, rate, name)
        self._decay: Kernels | None = None
        self._update: Kernels | None = None

    def _trace_update(self, gradients: list[Tensor], rate: Tensor, name: Hashable) -> Program:
        """Trace the update; where parameters step together, one counter is left for all."""
        # A compiler would compute a shared correction anew for each element it corrects.
        counts = [] if self._programs.compiles else self._counts()
        before = len(self._params) + len(gradients)
        update = self._programs.program(
            ("update", name, bool(counts)),
            self._update_all,
            self.update_takes(self._params, gradients, rate),
            alike=[[before + position for position in counts]] if counts else [],
        )
        if counts:
            for state in self._optimizer.state.values():
                state[COUNT] = self._state[counts[0]]
            self._state = self._state_tensors()
        return update

    def decay_takes(self, params: Sequence[Tensor], rate: Tensor) -> list[Tensor]:
        """Return what the program of the decay takes, at learning rates (K,)."""
        return [*params, *self._settings, rate]

    def update_takes(
        self, params: Sequence[Tensor], gradients: Sequence[T], rate: Tensor
    ) -> list[Tensor | T]:
        """Return what the program of the update takes, gradients in the order of parameters."""
        return [*params, *gradients, *self._state, *self._settings, rate]

    @property
    def held(self) -> list[Tensor]:
        """What its programs take besides parameters, gradients and rate: the same at every step."""
        return [*self._state, *self._settings]

    def _state_tensors(self) -> list[Tensor]:
        return [
            value
            for param in self._params
            for _, value in sorted(self._optimizer.state.get(param, {}).items())
            if isinstance(value, Tensor)
        ]

    def _counts(self) -> list[int]:
        """Return where counts of steps stand in the state, if all parameters are as far."""
        counts = [state.get(COUNT) for state in self._optimizer.state.values()]
        numbers = [count for count in counts if isinstance(count, Tensor) and count.ndim == 0]
        if len(numbers) < len(self._params) or not all(n.equal(numbers[0]) for n in numbers):
            return []
        places = {id(number) for number in numbers}
        return [place for place, one in enumerate(self._state) if id(one) in places]

    def decay(self, rate: Tensor) -> None:
        """Decay before the forward pass, at learning rates (K,), where the rule does."""
        if self.decay_program is None:
            return
        tensors = self.decay_takes(self._params, rate)
        if self._decay is None:
            self._decay = self._programs.ready(self.decay_program, tensors, compiled=True)
        self._decay(*tensors)

    def update(self, gradients: Sequence[Tensor], rate: Tensor) -> None:
        """Update with gradients (K, …) in the order of the parameters, at learning rates (K,)."""
        tensors = self.update_takes(self._params, gradients, rate)
        if self._update is None:
            self._update = self._programs.ready(self.update_program, tensors, compiled=True)
        self._update(*tensors)

    def _decay_all(self, *tensors: Tensor) -> list[Tensor]:
        count = len(self._params)
        params, (*settings, rate) = tensors[:count], tensors[count:]
        self._stand_in(params, (), settings, rate, decayed=False).decay()
        return []

    def _update_all(self, *tensors: Tensor) -> list[Tensor]:
        given = iter(tensors)
        params = list(islice(given, len(self._params)))
        for param in params:
            param.grad = next(given)
        state = list(islice(given, len(self._state)))
        *settings, rate = given
        self._stand_in(params, state, settings, rate, decayed=True).step()
        return []

    def _stand_in(
        self,
        params: Sequence[Tensor],
        state: Sequence[Tensor],
        settings: Sequence[Tensor],
        rate: Tensor,
        *,
        decayed: bool,
    ) -> DecayedOptimizer:
        """Return the optimizer with other tensors in the place of all its own."""
        places = {id(param): index for index, param in enumerate(self._params)}
        rest = iter(settings)
        groups = [
            {
                **group,
                **{name: rate if name == "lr" else next(rest) for name in _tensor_settings(group)},
                "params": [params[places[id(param)]] for param in group["params"]],
                **({"decayed": decayed} if "decayed" in group else {}),
            }
            for group in self._optimizer.param_groups
        ]
        states: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        values = iter(state)
        for own, param in zip(self._params, params, strict=True) if state else ():
            states[param] = {
                name: next(values) if isinstance(value, Tensor) else value
                for name, value in sorted(self._optimizer.state.get(own, {}).items())
            }
        twin = object.__new__(type(self._optimizer))
        vars(twin).update(vars(self._optimizer), param_groups=groups, state=states)
        return twin


def _tensor_settings(group: Mapping[str, Any]) -> list[str]:
    """Return the names of a group's settings that are tensors: rates, and what rules put there."""
    return [name for name, value in group.items() if isinstance(value, Tensor)]


def _count_precisely(state: dict[str, Any], param: Tensor) -> None:
    """Count steps beside the weights, and in double precision if they are: corrections need it."""
    for name, value in state.items():
        if isinstance(value, Tensor) and value.ndim == 0 and value.is_floating_point():
            dtype = torch.promote_types(value.dtype, param.dtype)
            state[name] = value.to(param.device, torch.promote_types(dtype, torch.float32))
