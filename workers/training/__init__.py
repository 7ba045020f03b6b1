"""Stacked training: K trials as one model with a leading axis K."""

from workers.training.run import StackedRun, train

__all__ = ["StackedRun", "train"]
