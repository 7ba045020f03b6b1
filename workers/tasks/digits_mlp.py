"""Handwritten digits, 8×8 pixels, with a small multilayer perceptron."""

import numpy as np
from sklearn.datasets import load_digits
from torch import nn

from workers.tasks.classification import accuracy, cross_entropy, stratified_split
from workers.tasks.task import Problem, Splits


def load(seed: int) -> Splits:
    """60 / 15 / 25 % of the 1797 digits, stratified by the seed; pixels scaled to [0, 1]."""
    inputs, targets = load_digits(return_X_y=True)
    examples = ((inputs / 16).astype(np.float32), targets.astype(np.int64))
    rest, test = stratified_split(examples, 450, seed)
    train, validation = stratified_split(rest, 270, seed)
    return Splits(train, validation, test)


def model() -> nn.Module:
    """64 pixels, 64 hidden units, 10 classes."""
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


PROBLEM = Problem(load=load, model=model, loss=cross_entropy, score=accuracy)
