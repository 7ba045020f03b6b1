"""The decay rules: one small piece each, and the table of their names."""

from lpwd.rules.base import DecayRule, Moment
from lpwd.rules.cautious import Cautious
from lpwd.rules.corrected import Corrected
from lpwd.rules.decoupled import Decoupled
from lpwd.rules.huber import Huber
from lpwd.rules.l2 import L2
from lpwd.rules.norm_control import NormControl
from lpwd.rules.pre import Pre
from lpwd.rules.realtime import RealTime
from lpwd.rules.scheduled import Scheduled

__all__ = [
    "L2",
    "RULES",
    "Cautious",
    "Corrected",
    "DecayRule",
    "Decoupled",
    "Huber",
    "Moment",
    "NormControl",
    "Pre",
    "RealTime",
    "Scheduled",
]

RULES: dict[str, type[DecayRule]] = {
    "l2": L2,
    "decoupled": Decoupled,
    "real-time": RealTime,
    "pre": Pre,
    "scheduled": Scheduled,
    "cautious": Cautious,
    "corrected": Corrected,
    "huber": Huber,
    "norm-control": NormControl,
}
