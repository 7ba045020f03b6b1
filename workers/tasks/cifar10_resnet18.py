"""CIFAR-10 with ResNet-18."""

from functools import partial

from workers.tasks import images, resnet18
from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.task import Problem

PROBLEM = Problem(
    load=images.Load("cifar10"),
    model=partial(resnet18.model, 10),
    loss=cross_entropy,
    score=accuracy,
    augment=images.Crop(padding=4, flip=True),
    prepare=images.CIFAR10,
)
