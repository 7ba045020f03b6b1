"""The built-in entries of the catalogue: each a base update × a decay rule × a layer schedule."""

from lpwd.entry import OptimizerEntry, Role
from lpwd.hyperparameters import Hyperparameter

LPWD_PAPER = "Layer-wise Pre-weight Decay, OpenReview 0GZ1Bq4Tfr"
ADAMW_PAPER = "Loshchilov & Hutter 2019, arXiv 1711.05101"

COUPLED = Hyperparameter(
    "coupled",
    "boolean",
    True,
    "Decay by learning rate times decay rate per step; false decays by the decay rate alone.",
)
SGD = (
    Hyperparameter(
        "momentum",
        "number",
        0.9,
        "Share of the momentum buffer that is kept.",
        0.0,
        1.0,
        exclusive_maximum=True,
    ),
    Hyperparameter(
        "dampening",
        "number",
        0.0,
        "Share of the gradient that does not enter the buffer.",
        0.0,
        1.0,
    ),
    Hyperparameter("nesterov", "boolean", False, "Look ahead along the momentum buffer."),
)
ADAM = (
    Hyperparameter(
        "beta1", "number", 0.9, "Decay of the first moment.", 0.0, 1.0, exclusive_maximum=True
    ),
    Hyperparameter(
        "beta2", "number", 0.999, "Decay of the second moment.", 0.0, 1.0, exclusive_maximum=True
    ),
    Hyperparameter("eps", "number", 1e-8, "Added to the root of the second moment.", 0.0),
    Hyperparameter(
        "amsgrad", "boolean", False, "Divide by the largest second moment so far instead."
    ),
)


def _pair(
    suffix: str,
    title: str,
    summary: str,
    source: str,
    rule: str,
    role: Role,
    *,
    names: tuple[str, str] | None = None,
    titles: tuple[str, str] | None = None,
    fixed: dict[str, object] | None = None,
    extra: tuple[Hyperparameter, ...] = (COUPLED,),
) -> tuple[OptimizerEntry, OptimizerEntry]:
    """Return the entries of one rule on SGD with momentum and on Adam."""
    names = names or (f"sgd-{suffix}", f"adam-{suffix}")
    titles = titles or (f"SGD + {title}", f"Adam + {title}")
    bases = (("sgd", SGD, 1e-2), ("adam", ADAM, 1e-3))
    on_sgd, on_adam = (
        OptimizerEntry(
            name=name,
            title=full_title,
            summary=summary,
            source=source,
            version=1,
            base=base,
            rule=rule,
            role=role,
            factory=f"lpwd.factories:{base}",
            hyperparameters=own + extra,
            default_learning_rate=learning_rate,
            fixed={"rule": rule, **(fixed or {})},
        )
        for (base, own, learning_rate), name, full_title in zip(bases, names, titles, strict=True)
    )
    return on_sgd, on_adam


BUILTIN: tuple[OptimizerEntry, ...] = (
    *_pair(
        "l2",
        "L2",
        "Adds λθ to the gradient, so that the penalty passes through the moments.",
        "torch.optim",
        "l2",
        "baseline",
        extra=(),
    ),
    *_pair(
        "w",
        "W",
        "Decoupled decay: shrinks the weights by ηλ beside the update.",
        ADAMW_PAPER,
        "decoupled",
        "baseline",
        names=("sgdw", "adamw"),
        titles=("SGDW", "AdamW"),
    ),
    *_pair(
        "rwd",
        "RWD",
        "Real-time decay: shrinks weights and update together, after the update.",
        LPWD_PAPER,
        "real-time",
        "method",
    ),
    *_pair(
        "pwd",
        "PWD",
        "Pre-decay: shrinks the weights before the forward pass, so gradients see decayed weights.",
        LPWD_PAPER,
        "pre",
        "method",
    ),
    *_pair(
        "lpwd",
        "LPWD",
        "Layer-wise pre-decay: pre-decay at a rate that grows linearly with the layer's depth.",
        LPWD_PAPER,
        "pre",
        "method",
        fixed={"layer_schedule": "linear"},
    ),
)
