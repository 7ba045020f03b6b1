"""The named optimizers: `SGD` and `Adam` with any decay rule, and `LPWD` on each."""

from typing import ClassVar

from torch import Tensor

from lpwd.family import Params
from lpwd.layers.schedules import LayerSchedule, Matched, Mean
from lpwd.optimizer import DecayedOptimizer
from lpwd.rules import DecayRule
from lpwd.updates import AdamUpdate, BaseUpdate, SGDUpdate


class SGD(DecayedOptimizer):
    r"""Stochastic gradient descent with momentum, with a choice of the decay rule.

    With the rule "l2" it is `torch.optim.SGD`, to the last bit::

        b ← momentum·b + (1 − dampening)·g        u = b, or g + momentum·b with nesterov
        θ ← θ − lr·u                              and the decay, where the rule puts it

    Args:
        params: tensors, named tensors or parameter groups. A layer schedule needs the groups of
            `layer_groups`. A group may set any of the options below for itself.
        lr: η ≥ 0, a float or a tensor of shape (K,) for K models stacked along the leading axis of
            every parameter. Read at every step.
        momentum: share of the buffer that is kept, ≥ 0. The first buffer is the first gradient.
        dampening: share of the gradient that does not enter the buffer.
        weight_decay: λ ≥ 0, a float or a tensor of shape (K,).
        nesterov: look ahead along the buffer; needs momentum and no dampening.
        rule: a name of `lpwd.rules.RULES` ("l2", "decoupled", "real-time", "pre", "cautious",
            "corrected", "huber", "norm-control") or a `DecayRule` of your own.
        layer_schedule: shares the decay out over the layers: a name of
            `lpwd.layers.schedules.SCHEDULES` or a function of (i, n). None decays all alike.
        normalise: divide the schedule's factors by their mean over "layers" or "parameters".
        coupled: decay by ηλ a step, as PyTorch does; False decays by λ alone.
        maximize: go up instead of down.
        capturable: nothing of a step depends on values that the CPU would have to read, so that
            it can be captured in a CUDA graph.

    Raises:
        InvalidHyperparameter: an option is out of its range or unknown.
        MissingLayers: a layer schedule was asked for, and the groups have no layer positions.
    """

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
    r"""Adam, with a choice of the decay rule.

    With the rule "l2" it is `torch.optim.Adam`, and with "decoupled" `torch.optim.AdamW`, to the
    last bit::

        m ← β₁m + (1 − β₁)g        v ← β₂v + (1 − β₂)g²
        u = m̂ / (√v̂ + eps)         m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)
        θ ← θ − lr·u               and the decay, where the rule puts it

    Args:
        params: tensors, named tensors or parameter groups. A layer schedule needs the groups of
            `layer_groups`. A group may set any of the options below for itself.
        lr: η ≥ 0, a float or a tensor of shape (K,) for K models stacked along the leading axis of
            every parameter. Read at every step.
        betas: β₁ and β₂, floats in [0, 1).
        eps: ε ≥ 0.
        weight_decay: λ ≥ 0, a float or a tensor of shape (K,).
        amsgrad: divide by the largest v̂ so far.
        rule: a name of `lpwd.rules.RULES` ("l2", "decoupled", "real-time", "pre", "scheduled",
            "cautious", "corrected", "huber", "norm-control") or a `DecayRule` of your own.
        layer_schedule: shares the decay out over the layers: a name of
            `lpwd.layers.schedules.SCHEDULES` or a function of (i, n). None decays all alike.
        normalise: divide the schedule's factors by their mean over "layers" or "parameters".
        coupled: decay by ηλ a step, as PyTorch does; False decays by λ alone.
        maximize: go up instead of down.
        capturable: keep step counts on the device and read nothing, so that a step can be captured
            in a CUDA graph.

    Raises:
        InvalidHyperparameter: an option is out of its range or unknown.
        MissingLayers: a layer schedule was asked for, and the groups have no layer positions.
    """

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
    r"""Adam with layer-wise pre-weight decay.

    The weights decay *before* the forward pass, so that the gradient is taken at decayed weights,
    and layer i of n (1 = nearest the input) decays by the share i/n of the full rate::

        θ̂ᵢ ← (1 − lr·weight_decay·i/n)·θᵢ        by decay(), before the forward pass
        g = ∇L(θ̂)                                 forward and backward
        θ ← θ̂ − lr·Adam(g)                        by step()

    Use it so::

        optimizer = LPWD(layer_groups(model, example_input), lr=1e-3, weight_decay=0.1)
        optimizer.attach(model)              # decays before each training forward pass
        for x, y in loader:
            loss_of(model(x), y).backward()
            optimizer.step()
            optimizer.zero_grad()

    Instead of `attach(model)`, `optimizer.decay()` may be called before each forward pass, or
    `step()` be given a closure, which decays first. `decay()` acts once per step, so accumulating
    gradients needs no care. A step whose decay was forgotten raises `MissingDecay`. Evaluate after
    `step()`, with `model.eval()`: at the weights after the update and before the next decay.

    `print(layer_table(model, example_input))` shows which layer is which and what decays: by
    default weights of two or more dimensions, not biases and normalisation.

    Where the paper ("Layer-wise Pre-weight Decay", OpenReview 0GZ1Bq4Tfr) is silent we decided:
    the decay is coupled to the learning rate; a layer is a module that owns a decayed weight;
    layers are ordered by first use. A parameter that is trained but gets no gradient in a step has
    been decayed nevertheless; a frozen one (`requires_grad=False`) never is.

    The state is Adam's, under PyTorch's names: an AdamW state dict of the same groups loads, and
    `adopt_state` takes one of other groups. With `weight_decay=0` it is `torch.optim.Adam`, to the
    last bit. `SGDLPWD` is the same on SGD.

    Args:
        params: the groups of `layer_groups(model, example_input)`. A group may set any of the
            options below for itself.
        lr: η ≥ 0, a float or a tensor of shape (K,) for K models stacked along the leading axis of
            every parameter. Read at every step, so schedulers may change it.
        betas: decay of the first and second moment, floats in [0, 1).
        eps: added to the root of the second moment, ≥ 0.
        weight_decay: λ ≥ 0, a float or a tensor of shape (K,). As the mean factor of the linear
            schedule is (n + 1)/2n, about twice the λ of an AdamW run decays as much.
        amsgrad: divide by the largest second moment so far.
        layer_schedule: the factor of layer i of n: "linear" (i/n, the paper), "constant",
            "reversed", "cosine", "power", "shuffled", "matched", or a function of (i, n).
        normalise: divide the factors by their mean over "layers" or "parameters"; None does not.
        coupled: decay by ηλ a step; False decays by λ, whatever the learning rate.
        maximize: go up instead of down.
        capturable: keep step counts on the device and read nothing, so that a step can be captured
            in a CUDA graph.

    Raises:
        MissingLayers: the parameters have no layer positions: pass `layer_groups(model, x)`.
        InvalidHyperparameter: an option is out of its range or unknown.
        MissingDecay: by `step()`, when `decay()` was forgotten.
        UnsupportedGradient: by `step()`, when a gradient is sparse.
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
    """SGD with momentum and layer-wise pre-weight decay. Used as `LPWD` is; see there.

    Args:
        params: the groups of `layer_groups(model, example_input)`.
        lr: η ≥ 0, a float or a tensor of shape (K,).
        momentum: share of the buffer that is kept, ≥ 0.
        dampening: share of the gradient that does not enter the buffer.
        weight_decay: λ ≥ 0, a float or a tensor of shape (K,).
        nesterov: look ahead along the buffer; needs momentum and no dampening.
        layer_schedule: as of `LPWD`.
        normalise: as of `LPWD`.
        coupled: as of `LPWD`.
        maximize: go up instead of down.
        capturable: as of `LPWD`.
    """

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
