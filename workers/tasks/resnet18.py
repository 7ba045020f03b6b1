"""torchvision's ResNet-18 as it is used on small images."""

from torch import nn
from torchvision.models import resnet18


def model(classes: int) -> nn.Module:
    """Make one whose stem is a 3×3 convolution without stride or pooling.

    On 32×32 pixels the stem for ImageNet would leave 8×8 positions to the first stage.
    """
    made: nn.Module = resnet18(num_classes=classes)
    made.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(made.conv1.weight, mode="fan_out", nonlinearity="relu")
    made.maxpool = nn.Identity()
    return made
