"""Breast cancer, a small table, with a multilayer perceptron."""

import numpy as np
from sklearn.datasets import load_breast_cancer
from torch import nn

from workers.tasks.classification import accuracy, cross_entropy, stratified_split
from workers.tasks.task import Examples, Problem, Splits


def load(seed: int) -> Splits:
    """60 / 15 / 25 % of the 569 tumours, stratified by the seed.

    Features are standardised by mean and deviation of the training split alone.
    """
    inputs, targets = load_breast_cancer(return_X_y=True)
    rest, test = stratified_split((inputs, targets.astype(np.int64)), 142, seed)
    train, validation = stratified_split(rest, 86, seed)
    mean, deviation = train[0].mean(axis=0), train[0].std(axis=0)

    def standardised(examples: Examples) -> Examples:
        return ((examples[0] - mean) / deviation).astype(np.float32), examples[1]

    return Splits(standardised(train), standardised(validation), standardised(test))


def model() -> nn.Module:
    """30 features, 32 and 16 hidden units, 2 classes."""
    return nn.Sequential(
        nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2)
    )


PROBLEM = Problem(load=load, model=model, loss=cross_entropy, score=accuracy)
