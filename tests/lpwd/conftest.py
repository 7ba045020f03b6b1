"""What the optimizer tests share: small real problems, and the one training loop they need."""

import itertools
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

# The tensors here are tiny: threads would only wait for each other.
torch.set_num_threads(1)


def make_network(seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Sequential:
    """Three layers, a normalisation between them: 4 → 6 → 5 → 3."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Linear(4, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)
        )
    return model.to(dtype)


@pytest.fixture
def network() -> Callable[..., nn.Sequential]:
    """Make the small network of a seed and dtype."""
    return make_network


@pytest.fixture
def batches() -> Callable[..., Iterator[tuple[Tensor, Tensor]]]:
    """Make an endless stream of seeded (x, y) batches for that network."""

    def make(seed: int = 1, dtype: torch.dtype = torch.float64) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(seed)
        for _ in itertools.count():
            x = torch.randn(8, 4, generator=generator, dtype=torch.float64).to(dtype)
            yield x, torch.randint(3, (8,), generator=generator)

    return make


@pytest.fixture
def train(
    batches: Callable[..., Iterator[tuple[Tensor, Tensor]]],
) -> Callable[..., list[Tensor]]:
    """Train for some steps and return the losses; `decay()` is called where there is one."""

    def run(
        model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, seed: int = 1
    ) -> list[Tensor]:
        losses = []
        dtype = next(model.parameters()).dtype
        for _, (x, y) in zip(range(steps), batches(seed, dtype), strict=False):
            if hasattr(optimizer, "decay"):
                optimizer.decay()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.detach())
        return losses

    return run


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
