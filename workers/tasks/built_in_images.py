"""The records of our own tasks on images that are fetched."""

from dataclasses import replace

from workers.tasks.task import Metric, Task

TEN_CLASSES = Metric("accuracy", maximize=True, chance=0.1, percent=True)
HUNDRED_CLASSES = Metric("accuracy", maximize=True, chance=0.01, percent=True)

_SHIFTS = "shifts of up to 4 pixels"
_SHIFTS_AND_FLIPS = f"{_SHIFTS}, flips left to right"

_CIFAR10_RESNET18 = Task(
    name="cifar10-resnet18",
    title="CIFAR-10, ResNet-18",
    summary="32×32 photographs; ResNet-18 with a 3×3 stem and no pooling before the first stage.",
    version=1,
    metric=TEN_CLASSES,
    epochs=40,
    batch_size=128,
    examples=(45_000, 5_000, 10_000),
    licence="none stated",
    source="Krizhevsky 2009, Learning multiple layers of features from tiny images",
    problem="workers.tasks.cifar10_resnet18:PROBLEM",
    augmentation=_SHIFTS_AND_FLIPS,
    datasets=("cifar10",),
)

_CIFAR100_RESNET18 = replace(
    _CIFAR10_RESNET18,
    name="cifar100-resnet18",
    title="CIFAR-100, ResNet-18",
    metric=HUNDRED_CLASSES,
    problem="workers.tasks.cifar100_resnet18:PROBLEM",
    datasets=("cifar100",),
)

IMAGES = (
    Task(
        name="mnist-mlp",
        title="MNIST, MLP",
        summary="28×28 handwritten digits; 784-256-256-10 with ReLU.",
        version=1,
        metric=TEN_CLASSES,
        epochs=20,
        batch_size=128,
        examples=(54_000, 6_000, 10_000),
        licence="CC BY-SA 3.0",
        source="LeCun, Cortes and Burges 1998",
        problem="workers.tasks.mnist_mlp:PROBLEM",
        datasets=("mnist",),
    ),
    Task(
        name="fashion-mnist-cnn",
        title="Fashion-MNIST, CNN",
        summary="28×28 pictures of clothes; two 3×3 convolutions with GroupNorm, then 128 units.",
        version=1,
        metric=TEN_CLASSES,
        epochs=20,
        batch_size=128,
        examples=(54_000, 6_000, 10_000),
        licence="MIT",
        source="Xiao, Rasul and Vollgraf 2017 (arXiv 1708.07747)",
        problem="workers.tasks.fashion_mnist_cnn:PROBLEM",
        datasets=("fashion-mnist",),
    ),
    Task(
        name="svhn-cnn",
        title="Street View House Numbers, CNN",
        summary="32×32 digits on houses; six 3×3 convolutions with GroupNorm and dropout.",
        version=1,
        # Guessing the digit 1 for all is right for 5099 of the 26032 test images.
        metric=Metric("accuracy", maximize=True, chance=5099 / 26_032, percent=True),
        epochs=20,
        batch_size=128,
        examples=(65_931, 7_326, 26_032),
        licence="non-commercial use only",
        source="Netzer et al. 2011, Reading digits in natural images",
        problem="workers.tasks.svhn_cnn:PROBLEM",
        augmentation=_SHIFTS,
        datasets=("svhn",),
    ),
    replace(
        _CIFAR10_RESNET18,
        name="cifar10-resnet20",
        title="CIFAR-10, ResNet-20",
        summary="32×32 photographs; the residual network of 20 layers of He et al. 2016.",
        problem="workers.tasks.cifar10_resnet20:PROBLEM",
    ),
    _CIFAR10_RESNET18,
    _CIFAR100_RESNET18,
    replace(
        _CIFAR10_RESNET18,
        name="cifar10-convnext-tiny",
        title="CIFAR-10, ConvNeXt-Tiny fine-tuned",
        summary="32×32 photographs enlarged to 224×224; ConvNeXt-Tiny from ImageNet weights.",
        epochs=20,
        batch_size=64,
        problem="workers.tasks.cifar10_convnext_tiny:PROBLEM",
        augmentation=f"{_SHIFTS_AND_FLIPS}, before enlarging",
        datasets=("cifar10", "convnext-tiny-imagenet"),
    ),
    replace(
        _CIFAR100_RESNET18,
        name="cifar100-swin-tiny",
        title="CIFAR-100, Swin-Tiny fine-tuned",
        summary="32×32 photographs enlarged to 224×224; Swin-Tiny from ImageNet weights.",
        epochs=20,
        batch_size=64,
        problem="workers.tasks.cifar100_swin_tiny:PROBLEM",
        augmentation=f"{_SHIFTS_AND_FLIPS}, before enlarging",
        datasets=("cifar100", "swin-tiny-imagenet"),
    ),
)
