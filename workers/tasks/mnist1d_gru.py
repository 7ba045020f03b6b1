"""MNIST-1D with the recurrent network of its authors."""

from torch import Tensor, nn

from workers.tasks.classification import accuracy, cross_entropy
from workers.tasks.mnist1d import load
from workers.tasks.task import Problem


class BidirectionalGRU(nn.Module):
    """6 hidden units each way; a linear layer sees the outputs of all 40 steps."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.GRU(1, 6, batch_first=True, bidirectional=True)
        self.classifier = nn.Linear(40 * 2 * 6, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, 40) signals to (n, 10) logits."""
        outputs, _ = self.recurrent(inputs.unsqueeze(2))
        logits: Tensor = self.classifier(outputs.flatten(1))
        return logits


PROBLEM = Problem(load=load, model=BidirectionalGRU, loss=cross_entropy, score=accuracy)
