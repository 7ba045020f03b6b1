"""The hyperparameters that built-in entries share."""

from lpwd.hyperparameters import Hyperparameter

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
MOMENTUM = Hyperparameter(
    "momentum",
    "number",
    0.9,
    "Share of the momentum buffer that is kept.",
    0.0,
    1.0,
    exclusive_maximum=True,
)
SGD = (
    MOMENTUM,
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


def betas(*defaults: float) -> tuple[Hyperparameter, ...]:
    """Return beta1, beta2, … with these defaults."""
    return tuple(
        Hyperparameter(
            f"beta{i}",
            "number",
            default,
            f"Decay of running average {i}.",
            0.0,
            1.0,
            exclusive_maximum=True,
        )
        for i, default in enumerate(defaults, start=1)
    )


BETAS = betas(0.9, 0.999)
ADAM = (
    *BETAS,
    Hyperparameter("eps", "number", 1e-8, "Added to the root of the second moment.", 0.0),
    Hyperparameter(
        "amsgrad", "boolean", False, "Divide by the largest second moment so far instead."
    ),
)
