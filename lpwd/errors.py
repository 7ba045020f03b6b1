"""The errors of the library: one root, and every message names the bad value and the way out.

Each error is also the built-in that Python users expect for its kind (`ValueError`, `TypeError`,
`LookupError`, `RuntimeError`), so code written for `torch.optim` catches them unchanged.
"""


class LpwdError(Exception):
    """Root of every error that `lpwd` raises on purpose."""


class UnknownOptimizer(LpwdError, LookupError):
    """A name that is not in the catalogue."""


class DuplicateOptimizer(LpwdError, ValueError):
    """A name that the catalogue already holds."""


class UnknownHyperparameter(LpwdError, TypeError):
    """A hyperparameter that this optimizer does not have."""


class InvalidHyperparameter(LpwdError, ValueError):
    """A hyperparameter of the wrong type or outside its range."""


class MissingDecay(LpwdError, RuntimeError):
    """`step()` of a pre-decay optimizer without the `decay()` that belongs before the forward."""


class MissingLayers(LpwdError, ValueError):
    """A layer-wise optimizer was given parameters without layer positions."""


class UnknownParameter(LpwdError, LookupError):
    """A parameter name that the layer table does not hold."""


class UnsupportedGradient(LpwdError, RuntimeError):
    """A gradient that these optimizers refuse, such as a sparse one."""


class BrokenFactory(LpwdError, RuntimeError):
    """A catalogue entry whose factory cannot be imported or does not build an optimizer."""


class BrokenPlugin(LpwdError, RuntimeError):
    """An installed package whose `lpwd.optimizers` entry point does not work."""
