"""What every optimizer of the catalogue must do, run from the catalogue: register it, test it."""

import copy
import io
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

import lpwd
from lpwd import FamilyOptimizer, LayerTable, catalogue
from lpwd.errors import InvalidHyperparameter, UnknownHyperparameter

ENTRIES = catalogue.entries()
every = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
own = pytest.mark.parametrize(
    "entry", [e for e in ENTRIES if e.role != "external"], ids=lambda entry: entry.name
)
Batches = Callable[..., Iterator[tuple[Tensor, Tensor]]]


def build(entry: Any, model: nn.Module, **options: Any) -> FamilyOptimizer:
    settings = {"lr": entry.default_learning_rate, "weight_decay": 0.1, **options}
    return lpwd.build(entry.name, lpwd.layer_groups(model), **settings)


def one_step(model: nn.Module, optimizer: FamilyOptimizer, x: Tensor, y: Tensor) -> Tensor:
    optimizer.decay()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.detach()


def weights(model: nn.Module) -> list[Tensor]:
    return [param.detach().clone() for param in model.parameters()]


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def assert_same(entry: Any, one: list[Tensor], other: list[Tensor]) -> None:
    """Compare to the bit; for others' optimizers nearly, as PyTorch rounds some of their state."""
    if entry.role == "external":
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)
    else:
        assert equal(one, other)


class Weight(nn.Module):
    """One matrix θ and its loss: a problem without data."""

    def __init__(self, start: Tensor, loss: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.weight = nn.Parameter(start.clone())
        self.loss = loss

    def forward(self) -> Tensor:
        return self.loss(self.weight)


def quadratic(weight: Tensor) -> Tensor:
    """An ill-conditioned bowl around 1."""
    scales = torch.logspace(-1, 1, weight.numel(), dtype=weight.dtype).reshape(weight.shape)
    return (scales * (weight - 1.0).square()).mean()


def valley(weight: Tensor) -> Tensor:
    """Rosenbrock's curved valley, element by element with the transposed element."""
    return ((1 - weight).square() + 10 * (weight.T - weight.square()).square()).mean()


def factorisation(weight: Tensor) -> Tensor:
    """Symmetric matrix factorisation: not convex, with a saddle at 0."""
    target = torch.eye(4, dtype=weight.dtype) * torch.tensor([2.0, 1.0, 0.5, 0.1])
    return (weight @ weight.T - target).square().mean()


@every
@pytest.mark.parametrize("problem", [quadratic, valley, factorisation])
def test_it_descends(entry: Any, problem: Callable[[Tensor], Tensor]) -> None:
    generator = torch.Generator().manual_seed(3)
    start = 0.5 * torch.randn(4, 4, generator=generator, dtype=torch.float64)
    model = Weight(start, problem)
    rates = {"sgd": 0.05, "lion": 0.005, "muon": 0.02, "schedule-free-sgd": 0.1}
    optimizer = build(entry, model, lr=rates.get(entry.base, 0.02), weight_decay=1e-4)
    first = float(model().detach())
    for _ in range(60):
        optimizer.decay()
        optimizer.zero_grad()
        model().backward()
        optimizer.step()
    optimizer.eval()
    assert float(model().detach()) < 0.7 * first


@every
def test_a_saved_state_goes_on_where_it_stopped(entry: Any, network: Any, batches: Batches) -> None:
    stream = [batch for _, batch in zip(range(6), batches(), strict=False)]
    model = network()
    optimizer = build(entry, model)
    for x, y in stream[:3]:
        one_step(model, optimizer, x, y)
    restored_model = copy.deepcopy(model)
    restored = build(entry, restored_model, lr=0.5, weight_decay=0.5)  # overwritten by loading
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    restored.load_state_dict(torch.load(file, weights_only=True))
    for x, y in stream[3:]:
        one_step(model, optimizer, x, y)
        one_step(restored_model, restored, x, y)
    assert_same(entry, weights(model), weights(restored_model))


@every
@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))]
)
def test_a_copy_with_its_model_is_independent_and_goes_on(
    entry: Any, network: Any, batches: Batches, duplicate: Callable[[Any], Any]
) -> None:
    stream = [batch for _, batch in zip(range(4), batches(), strict=False)]
    model = network()
    optimizer = build(entry, model)
    for x, y in stream[:2]:
        one_step(model, optimizer, x, y)
    other_model, other = duplicate((model, optimizer))
    for x, y in stream[2:]:
        one_step(model, optimizer, x, y)
    ahead = weights(model)
    for x, y in stream[2:]:
        one_step(other_model, other, x, y)
    assert equal(weights(model), ahead)
    assert_same(entry, weights(other_model), ahead)


@every
def test_parameters_change_in_place_and_gradients_not_at_all(
    entry: Any, network: Any, batches: Batches
) -> None:
    model = network()
    optimizer = build(entry, model)
    places = [param.data_ptr() for param in model.parameters()]
    x, y = next(batches())
    one_step(model, optimizer, x, y)  # some optimizers only fill their state in the first
    optimizer.decay()
    nn.functional.cross_entropy(model(x), y).backward()
    gradients = [param.grad.clone() for param in model.parameters()]
    before = weights(model)
    optimizer.step()
    assert [param.data_ptr() for param in model.parameters()] == places
    assert not equal(before, weights(model))
    if entry.role != "external":
        assert equal(gradients, [param.grad for param in model.parameters()])


@every
def test_a_step_without_gradients_changes_nothing(entry: Any, network: Any) -> None:
    model = network()
    optimizer = build(entry, model)
    optimizer.decay()
    before = weights(model)
    optimizer.step()
    assert equal(before, weights(model))


@every
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"lr": -1.0}, (ValueError,)),
        ({"weight_decay": -1.0}, (ValueError,)),
        ({"no_such_setting": 1.0}, (UnknownHyperparameter,)),
    ],
)
def test_bad_input_is_refused(
    entry: Any, network: Any, options: dict[str, Any], error: tuple[type[Exception], ...]
) -> None:
    with pytest.raises(error):
        build(entry, network(), **options)


@every
def test_each_hyperparameter_can_be_given_and_is_checked(entry: Any, network: Any) -> None:
    defaults = entry.resolve({})
    build(entry, network(), **defaults)
    for name in defaults:
        with pytest.raises(InvalidHyperparameter, match=f"{name} must be"):
            build(entry, network(), **{name: [1]})


@every
def test_a_stack_equals_its_singles(entry: Any, network: Any, batches: Batches) -> None:
    """With (K,) rates that change, each slice moves as a single model with float rates."""
    rates = entry.default_learning_rate * torch.tensor([1.0, 0.5], dtype=torch.float64)
    decays = torch.tensor([0.0, 0.3], dtype=torch.float64)
    models = [network(seed) for seed in range(2)]
    table = lpwd.layer_table(models[0])
    stack = {
        name: torch.stack([model.get_parameter(name).detach() for model in models])
        for name, _ in models[0].named_parameters()
    }
    together = lpwd.build(entry.name, table.groups(stack), lr=rates, weight_decay=decays)
    singles = [single(entry, table, models[k], rates[k], decays[k]) for k in range(2)]
    for index, (x, y) in zip(range(6), batches(), strict=False):
        factor = 1.0 if index < 3 else 0.5
        for k, optimizer in enumerate(singles):
            set_rate(optimizer, float(rates[k]) * factor)
            optimizer.decay()
        set_rate(together, rates * factor)
        together.decay()
        for model in models:
            nn.functional.cross_entropy(model(x), y).backward()
        for name, tensor in stack.items():
            tensor.grad = torch.stack([model.get_parameter(name).grad for model in models])
        for optimizer in (*singles, together):
            optimizer.step()
            optimizer.zero_grad()
        for name, tensor in stack.items():
            alone = torch.stack([model.get_parameter(name).detach() for model in models])
            torch.testing.assert_close(tensor, alone, rtol=1e-10, atol=1e-12)


def single(
    entry: Any, table: LayerTable, model: nn.Module, rate: Tensor, decay: Tensor
) -> FamilyOptimizer:
    return lpwd.build(
        entry.name,
        table.groups(model.named_parameters()),
        lr=float(rate),
        weight_decay=float(decay),
    )


def set_rate(optimizer: FamilyOptimizer, rate: float | Tensor) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


@own
@pytest.mark.parametrize("stacked", [False, True])
def test_a_learning_rate_of_zero_moves_nothing(entry: Any, stacked: bool) -> None:
    """A schedule may begin or end there. Only a decay that is not coupled to it still acts."""
    params = {"weight": torch.randn(2, 3, 4).double(), "bias": torch.randn(2, 3).double()}
    params = {name: tensor if stacked else tensor[0] for name, tensor in params.items()}
    before = {name: tensor.clone() for name, tensor in params.items()}
    rate: Any = torch.tensor([0.0, 0.1], dtype=torch.float64) if stacked else 0.0
    optimizer = grouped(entry, params, rate, weight_decay=0.5)
    for _ in range(3):
        step_with_ones(optimizer, params)
    still = 0 if stacked else slice(None)
    for name, tensor in params.items():
        assert torch.isfinite(tensor).all()
        if entry.fixed.get("coupled", True) or name == "bias":
            assert torch.equal(tensor[still], before[name][still])


@own
def test_the_size_of_a_slice_changes_no_bit(
    entry: Any, network: Any, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = []
    for size in (0, 1 << 30):  # a slice for each parameter, and one for all
        monkeypatch.setattr("lpwd.slices.CACHED_ELEMENTS", size)
        model = network()
        optimizer = build(entry, model)
        for _, (x, y) in zip(range(3), batches(), strict=False):
            one_step(model, optimizer, x, y)
        ends.append(weights(model))
    if entry.rule == "scheduled":  # its one sum over all is summed in another order
        torch.testing.assert_close(*ends, rtol=1e-12, atol=1e-14)
    else:
        assert equal(*ends)


@every
def test_a_diverged_model_of_a_stack_leaves_the_others_alone(entry: Any) -> None:
    rates = torch.full((3,), entry.default_learning_rate, dtype=torch.float64)
    table = lpwd.layer_table(nn.Linear(4, 5))
    ends = []
    for poison in (0.0, torch.nan):
        generator = torch.Generator().manual_seed(7)
        stack = {
            "weight": torch.randn(3, 5, 4, generator=generator).double(),
            "bias": torch.randn(3, 5, generator=generator).double(),
        }
        optimizer = lpwd.build(entry.name, table.groups(stack), lr=rates, weight_decay=0.1)
        for _ in range(4):
            optimizer.decay()
            for tensor in stack.values():
                tensor.grad = torch.randn(tensor.shape, generator=generator).double()
                tensor.grad[1] += poison
            optimizer.step()
        ends.append([tensor[[0, 2]] for tensor in stack.values()])
    assert equal(*ends)
    assert all(torch.isfinite(tensor).all() for tensor in ends[1])


class NoReading(TorchDispatchMode):
    """Refuses to read a tensor's value, save the step counts, which are on the CPU."""

    def __init__(self, allowed: set[int]) -> None:
        super().__init__()
        self.allowed = allowed

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default:
            assert args[0].data_ptr() in self.allowed, "a tensor was read: on a GPU this waits"
        assert "nonzero" not in str(func)
        return func(*args, **(kwargs or {}))


@own
def test_a_step_of_a_stack_reads_only_its_step_counts(entry: Any) -> None:
    params = {"weight": torch.ones(2, 3, 4), "bias": torch.ones(2, 3)}
    rates = torch.tensor([0.1, 0.2])
    optimizer = grouped(entry, params, rates, rates)
    step_with_ones(optimizer, params)
    steps = [state["step"] for state in optimizer.state.values() if "step" in state]
    with NoReading({step.data_ptr() for step in steps}):
        step_with_ones(optimizer, params)


@own
@pytest.mark.parametrize("shape", [None, (), (2,)], ids=["float", "tensor", "stack"])
def test_capturable_on_a_gpu_a_step_reads_nothing(entry: Any, shape: Any) -> None:
    """Fake tensors of a GPU have a device and no values, so any read raises."""
    with FakeTensorMode():
        params = {
            "weight": torch.ones(2, 3, 4, device="cuda"),
            "bias": torch.ones(2, 3, device="cuda"),
        }
        optimizer = grouped(entry, params, 0.1, 0.1)
        for group in optimizer.param_groups:
            group["capturable"] = True
            if shape is not None:
                group["lr"] = torch.full(shape, 0.1, device="cuda")
        for _ in range(2):
            step_with_ones(optimizer, params)


def grouped(
    entry: Any,
    params: dict[str, Tensor],
    lr: float | Tensor,
    weight_decay: float | Tensor,
) -> FamilyOptimizer:
    table = lpwd.layer_table(nn.Linear(4, 3))
    return lpwd.build(entry.name, table.groups(params), lr=lr, weight_decay=weight_decay)


def step_with_ones(optimizer: FamilyOptimizer, params: dict[str, Tensor]) -> None:
    for param in params.values():
        param.grad = torch.ones_like(param)
    optimizer.decay()
    optimizer.step()
