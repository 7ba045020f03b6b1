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
DELTA = Hyperparameter(
    "delta",
    "number",
    0.1,
    "Size of a weight beyond which the pull no longer grows.",
    0.0,
    exclusive_minimum=True,
)
RATIO = Hyperparameter(
    "ratio", "number", 1.0, "Norm to hold, as a multiple of the initial one.", 0.0
)
POWER = Hyperparameter("power", "number", 2.0, "Exponent p of the layer schedule (i/n)^p.", 0.0)
SHUFFLE_SEED = Hyperparameter(
    "shuffle_seed", "integer", 0, "Seed of the order that the layers are dealt in.", 0
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
    weight_decay: tuple[float, tuple[float, float]] = (1e-2, (1e-5, 1.0)),
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
            default_weight_decay=weight_decay[0],
            weight_decay_range=weight_decay[1],
            stacks=True,
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
    *_pair(
        "independent",
        "independent decay",
        "Decoupled decay by λ alone, whatever the learning rate.",
        ADAMW_PAPER,
        "decoupled",
        "baseline",
        names=("sgdw-independent", "adamw-independent"),
        titles=("SGDW, independent", "AdamW, independent"),
        fixed={"coupled": False},
        extra=(),
        weight_decay=(1e-4, (1e-7, 1e-1)),
    ),
    _pair(
        "s",
        "SWD",
        "Decoupled decay divided by the root of the mean second moment (SWD).",
        "arXiv 2011.11152",
        "scheduled",
        "baseline",
        names=("-", "adams"),
        titles=("-", "AdamS"),
    )[1],
    *_pair(
        "cautious",
        "cautious decay",
        "Decoupled decay only where update and weight do not have opposite signs.",
        "arXiv 2510.12402",
        "cautious",
        "baseline",
    ),
    *_pair(
        "c",
        "corrected decay",
        "Decoupled decay that falls with the square of the schedule in normalised layers.",
        "arXiv 2506.02285",
        "corrected",
        "baseline",
        names=("sgdc", "adamc"),
        titles=("SGDC", "AdamC"),
    ),
    *_pair(
        "huber",
        "Huber decay",
        "Proximal step of a Huber penalty: bounded pull on large weights.",
        "arXiv 2511.14721",
        "huber",
        "baseline",
        extra=(COUPLED, DELTA),
    ),
    *_pair(
        "norm-control",
        "norm control",
        "Decay of each parameter towards a multiple of its initial norm.",
        "arXiv 2311.11446",
        "norm-control",
        "baseline",
        extra=(COUPLED, RATIO),
    ),
    *_pair(
        "pwd-matched",
        "PWD, mean-matched",
        "Pre-decay at the mean of LPWD's rates over layers: LPWD's strength without its shape.",
        LPWD_PAPER,
        "pre",
        "control",
        fixed={"layer_schedule": "matched"},
    ),
    *_pair(
        "pwd-matched-parameters",
        "PWD, parameter-mean-matched",
        "Pre-decay at the mean of LPWD's rates over parameters.",
        LPWD_PAPER,
        "pre",
        "control",
        fixed={"layer_schedule": "matched-parameters"},
    ),
    *_pair(
        "lpwd-reversed",
        "LPWD, reversed",
        "LPWD with the layers in reverse: the shape turned round.",
        LPWD_PAPER,
        "pre",
        "control",
        fixed={"layer_schedule": "reversed"},
    ),
    *_pair(
        "lpwd-shuffled",
        "LPWD, shuffled",
        "LPWD with its rates dealt out to the layers at random, by a seed.",
        LPWD_PAPER,
        "pre",
        "control",
        fixed={"layer_schedule": "shuffled"},
        extra=(COUPLED, SHUFFLE_SEED),
    ),
    *_pair(
        "lpwd-normalised",
        "LPWD, normalised",
        "LPWD with its rates divided by their mean: its shape at PWD's strength.",
        LPWD_PAPER,
        "pre",
        "control",
        fixed={"layer_schedule": "linear", "normalise": "layers"},
    ),
    *_pair(
        "layerwise",
        "decoupled decay, layer-wise",
        "Decoupled decay with LPWD's rates: the shape without the pre-decay.",
        LPWD_PAPER,
        "decoupled",
        "control",
        names=("sgdw-layerwise", "adamw-layerwise"),
        titles=("SGDW, layer-wise", "AdamW, layer-wise"),
        fixed={"layer_schedule": "linear"},
    ),
    *_pair(
        "lpwd-power",
        "LPWD, power",
        "LPWD with the rates (i/n)^p: 0 is PWD, 1 is LPWD.",
        LPWD_PAPER,
        "pre",
        "control",
        fixed={"layer_schedule": "power"},
        extra=(COUPLED, POWER),
    ),
    *_pair(
        "lpwd-cosine",
        "LPWD, cosine",
        "LPWD with rates that rise along a half cosine.",
        LPWD_PAPER,
        "pre",
        "control",
        fixed={"layer_schedule": "cosine"},
    ),
)
