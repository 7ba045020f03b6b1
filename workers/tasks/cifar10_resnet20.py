"""CIFAR-10 with the residual network of 20 layers that was made for it.

He et al. 2016 (arXiv 1512.03385), section 4.2: three stages of three blocks with 16, 32 and 64
channels; where a stage begins, the shortcut takes every other pixel and fills up with channels of
zeros (their option A); 45000 images to train, 5000 to validate, shifts of up to 4 pixels, flips.
"""

from torch import Tensor, nn
from torch.nn import functional

from workers.tasks import images
from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.task import Problem

BLOCKS = 3


class Block(nn.Module):
    """Two 3×3 convolutions with batch normalisation, beside a shortcut without weights."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.stride = after // before
        self.first = nn.Conv2d(before, after, 3, self.stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(after)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, before, H, W) to (n, after, H / stride, W / stride)."""
        hidden = self.first_norm(self.first(inputs)).relu()
        hidden = self.second_norm(self.second(hidden))
        missing = hidden.shape[1] - inputs.shape[1]
        shortcut = inputs[:, :, :: self.stride, :: self.stride]
        shortcut = functional.pad(shortcut, (0, 0, 0, 0, missing // 2, missing - missing // 2))
        summed: Tensor = hidden + shortcut
        return summed.relu()


class ResNet20(nn.Module):
    """3×3 convolution of 16 channels, nine blocks, mean over positions, linear."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(16)
        widths = [16] + [width for width in (16, 32, 64) for _ in range(BLOCKS)]
        self.blocks = nn.Sequential(*map(Block, widths[:-1], widths[1:]))
        self.classifier = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, 3, 32, 32) images to (n, classes) logits."""
        hidden = self.blocks(self.stem_norm(self.stem(inputs)).relu())
        logits: Tensor = self.classifier(hidden.mean(dim=(2, 3)))
        return logits


def model() -> nn.Module:
    """Make it for 10 classes."""
    return ResNet20(10)


PROBLEM = Problem(
    load=images.Load("cifar10"),
    model=model,
    loss=cross_entropy,
    score=accuracy,
    augment=images.Crop(padding=4, flip=True),
    prepare=images.CIFAR10,
)
