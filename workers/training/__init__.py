"""Stacked training: K trials as one model with a leading axis K."""

from workers.training.run import StackedRun
from workers.training.train import train

__all__ = ["StackedRun", "train"]
