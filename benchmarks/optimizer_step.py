"""What a step of LPWD costs beside `torch.optim.AdamW(foreach=True)`: time, memory, import.

    python benchmarks/optimizer_step.py [--device cuda] [--rounds 30]

Both optimizers step the same parameter shapes in turn, in one process, so that whatever else the
machine does hits both; the figure is the median of the ratios of neighbours. A step of LPWD is
`decay()` and `step()`. Targets: at most 1.1 times the time, the same state memory, and an import
of `lpwd.catalogue` under 0.2 s.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.models import resnet50

from lpwd import LPWD, layer_groups

TARGET = 1.1


def transformer() -> nn.Module:
    """Return a 12-layer encoder of BERT-base's width, with its embedding."""
    layer = nn.TransformerEncoderLayer(768, 12, 3072, batch_first=True)
    return nn.Sequential(
        nn.Embedding(30522, 768), nn.TransformerEncoder(layer, 12, enable_nested_tensor=False)
    )


def with_gradients(make: Callable[[], nn.Module], device: str) -> nn.Module:
    """Return a model whose every parameter has a gradient."""
    torch.manual_seed(0)
    model = make().to(device)
    for param in model.parameters():
        param.grad = torch.randn_like(param) * 1e-3
    return model


def seconds(work: Callable[[], object], device: str) -> float:
    """Return how long one call takes, with everything that it queued."""
    start = time.perf_counter()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Return the bytes of all state tensors."""
    return sum(
        value.numel() * value.element_size()
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, Tensor)
    )


def compare(name: str, make: Callable[[], nn.Module], device: str, rounds: int) -> float:
    """Time both optimizers in turn, print a line, and return the median ratio."""
    ours_model, theirs_model = with_gradients(make, device), with_gradients(make, device)
    ours = LPWD(layer_groups(ours_model), weight_decay=0.1)
    theirs = torch.optim.AdamW(layer_groups(theirs_model), weight_decay=0.1, foreach=True)

    def step() -> None:
        ours.decay()
        ours.step()

    for _ in range(3):
        step()
        theirs.step()
    pairs = []
    for turn in range(rounds):
        if turn % 2:  # each goes first as often as the other
            pairs.append((seconds(step, device), seconds(theirs.step, device)))
        else:
            pairs.append((seconds(theirs.step, device), seconds(step, device))[::-1])
    mine, other = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(one / two for one, two in pairs)
    memory = state_bytes(ours) / state_bytes(theirs)
    print(
        f"{name:12s} LPWD {1e3 * mine:8.2f} ms   AdamW {1e3 * other:8.2f} ms   "
        f"time {ratio:.3f} x   state {memory:.3f} x",
        flush=True,
    )
    return ratio


def import_seconds() -> float:
    """Return the median time to import the catalogue in a fresh interpreter."""
    program = "import time; t = time.perf_counter(); import lpwd.catalogue; "
    program += "print(time.perf_counter() - t)"
    runs = [subprocess.check_output([sys.executable, "-c", program]) for _ in range(5)]
    return statistics.median(float(run) for run in runs)


def main() -> int:
    """Run the comparison; return 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    print(f"torch {torch.__version__} on {options.device}")
    ratios = [
        compare("ResNet-50", resnet50, options.device, options.rounds),
        compare("transformer", transformer, options.device, options.rounds),
    ]
    imported = import_seconds()
    print(f"import lpwd.catalogue: {imported:.3f} s")
    return int(max(ratios) > TARGET or imported > 0.2)


if __name__ == "__main__":
    sys.exit(main())
