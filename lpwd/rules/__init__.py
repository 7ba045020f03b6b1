"""The decay rules: one small piece each, and the table of their names."""

from collections.abc import Callable

from lpwd.rules.base import DecayRule, Moment
from lpwd.rules.decoupled import Decoupled
from lpwd.rules.l2 import L2
from lpwd.rules.pre import Pre
from lpwd.rules.realtime import RealTime

__all__ = ["L2", "RULES", "DecayRule", "Decoupled", "Moment", "Pre", "RealTime"]

RULES: dict[str, Callable[..., DecayRule]] = {
    "l2": L2,
    "decoupled": Decoupled,
    "real-time": RealTime,
    "pre": Pre,
}
