"""The named optimizers: `SGD` and `Adam` with any decay rule, and `LPWD` on each."""

from typing import ClassVar

from torch import Tensor

from lpwd.family import Params
from lpwd.layers.schedules import LayerSchedule, Matched, Mean
from lpwd.optimizer import DecayedOptimizer
from lpwd.rules import DecayRule
from lpwd.updates import AdamUpdate, BaseUpdate, SGDUpdate


class SGD(DecayedOptimizer):
    """Stochastic gradient descent with momentum, with a choice of the decay rule."""

    update: ClassVar[BaseUpdate] = SGDUpdate()

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float | Tensor = 0.0,
        nesterov: bool = False,
        *,
        rule: DecayRule | str = "l2",
        layer_schedule: LayerSchedule | Matched | str | None = None,
        normalise: Mean | None = None,
        coupled: bool = True,
        maximize: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "coupled": coupled,
            "maximize": maximize,
            "capturable": capturable,
        }
        super().__init__(
            params, defaults, rule=rule, layer_schedule=layer_schedule, normalise=normalise
        )


class Adam(DecayedOptimizer):
    """Adam, with a choice of the decay rule."""

    update: ClassVar[BaseUpdate] = AdamUpdate()

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float | Tensor = 0.0,
        amsgrad: bool = False,
        *,
        rule: DecayRule | str = "l2",
        layer_schedule: LayerSchedule | Matched | str | None = None,
        normalise: Mean | None = None,
        coupled: bool = True,
        maximize: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "coupled": coupled,
            "maximize": maximize,
            "capturable": capturable,
        }
        super().__init__(
            params, defaults, rule=rule, layer_schedule=layer_schedule, normalise=normalise
        )


class LPWD(Adam):
    """Adam with layer-wise pre-weight decay: layer i of n decays by ηλ·i/n before the forward.

    Example::

        optimizer = LPWD(layer_groups(model, example_input), lr=1e-3, weight_decay=0.1)
        optimizer.attach(model)              # decays before each training forward pass
        for x, y in loader:
            loss_of(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()
    """

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float | Tensor = 1e-2,
        amsgrad: bool = False,
        *,
        layer_schedule: LayerSchedule | Matched | str = "linear",
        normalise: Mean | None = None,
        coupled: bool = True,
        maximize: bool = False,
        capturable: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            rule="pre",
            layer_schedule=layer_schedule,
            normalise=normalise,
            coupled=coupled,
            maximize=maximize,
            capturable=capturable,
        )


class SGDLPWD(SGD):
    """SGD with momentum and layer-wise pre-weight decay; used as `LPWD` is."""

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        momentum: float = 0.9,
        dampening: float = 0.0,
        weight_decay: float | Tensor = 1e-2,
        nesterov: bool = False,
        *,
        layer_schedule: LayerSchedule | Matched | str = "linear",
        normalise: Mean | None = None,
        coupled: bool = True,
        maximize: bool = False,
        capturable: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            momentum,
            dampening,
            weight_decay,
            nesterov,
            rule="pre",
            layer_schedule=layer_schedule,
            normalise=normalise,
            coupled=coupled,
            maximize=maximize,
            capturable=capturable,
        )
