"""LPWD among everything else that a PyTorch training loop may hold."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import lpwd
from lpwd import LPWD, adopt_state, layer_groups
from lpwd.errors import InvalidHyperparameter, MissingDecay, MissingLayers, UnknownParameter

X = torch.linspace(-1, 1, 32).reshape(8, 4).double()


def loss_of(model: nn.Module, x: Tensor = X) -> Tensor:
    result: Tensor = model(x).square().mean()
    return result


def make(model: nn.Module, **options: Any) -> LPWD:
    return LPWD(layer_groups(model, X.to(next(model.parameters()).dtype)), 0.05, **options)


def one_step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    if hasattr(optimizer, "decay"):
        optimizer.decay()
    loss_of(model).backward()
    optimizer.step()
    optimizer.zero_grad()


def assert_equal(one: nn.Module, other: nn.Module) -> None:
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("moment", ["after decay()", "mid-accumulation", "after step()"])
def test_a_checkpoint_may_be_taken_at_any_moment(network: Any, moment: str) -> None:
    """The decay of a step is neither lost nor done twice by saving and loading in between."""
    model = network()
    optimizer = make(model, weight_decay=0.5)
    one_step(model, optimizer)
    optimizer.decay()
    if moment != "after decay()":
        loss_of(model).backward()
    if moment == "after step()":
        optimizer.step()
        optimizer.zero_grad()
    resumed = copy.deepcopy(model)  # gradients come along
    for mine, copied in zip(model.parameters(), resumed.parameters(), strict=True):
        copied.grad = None if mine.grad is None else mine.grad.clone()
    other = make(resumed, weight_decay=0.5)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each, its in ((model, optimizer), (resumed, other)):
        one_step(each, its)
        one_step(each, its)
    assert_equal(model, resumed)


def test_a_step_after_loading_a_decayed_state_needs_no_decay(network: Any) -> None:
    model = network()
    optimizer = make(model)
    optimizer.decay()
    loaded = make(model)
    loaded.load_state_dict(optimizer.state_dict())
    loss_of(model).backward()
    loaded.step()
    with pytest.raises(MissingDecay):
        loaded.step()


def test_an_adamw_state_on_the_same_groups_loads(network: Any) -> None:
    model = network()
    adamw = torch.optim.AdamW(layer_groups(model, X), lr=0.05, weight_decay=0.1)
    one_step(model, adamw)
    optimizer = make(model, weight_decay=0.7)
    optimizer.load_state_dict(adamw.state_dict())
    assert optimizer.param_groups[0]["weight_decay"] == 0.1
    assert optimizer.param_groups[0]["factors"] == [1 / 3, 2 / 3, 1.0]
    param = model[0].weight
    assert torch.equal(optimizer.state[param]["exp_avg"], adamw.state[param]["exp_avg"])
    one_step(model, optimizer)


@pytest.mark.parametrize("named", [False, True])
def test_an_adamw_checkpoint_of_one_group_is_adopted(network: Any, named: bool) -> None:
    """At λ = 0 the adopted run goes on exactly where AdamW would have."""
    model, reference = network(), network()
    params = reference.named_parameters() if named else reference.parameters()
    adamw = torch.optim.AdamW(params, lr=0.05, weight_decay=0.0)
    for _ in range(3):
        one_step(reference, adamw)
    model.load_state_dict(reference.state_dict())
    optimizer = make(model, weight_decay=0.0)
    adopt_state(optimizer, adamw.state_dict(), None if named else reference)
    for _ in range(3):
        one_step(reference, adamw)
        one_step(model, optimizer)
    assert_equal(model, reference)


def test_a_checkpoint_without_names_wants_the_model(network: Any) -> None:
    model = network()
    saved = torch.optim.AdamW(model.parameters()).state_dict()
    with pytest.raises(UnknownParameter, match="pass the model"):
        adopt_state(make(model), saved)
    with pytest.raises(UnknownParameter, match=r"nothing of '3\.weight'"):
        adopt_state(make(model), saved, model[:3])
    with pytest.raises(UnknownParameter, match="make it of layer_groups"):
        adopt_state(torch.optim.AdamW(model.parameters()), saved, model)


def test_a_schedule_moves_the_decay_along_with_the_learning_rate(network: Any) -> None:
    model = network()
    optimizer = make(model, weight_decay=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.1)
    one_step(model, optimizer)
    schedule.step()
    before = model[5].weight.clone()
    optimizer.decay()
    torch.testing.assert_close(model[5].weight, before * (1 - 0.005))


@pytest.mark.parametrize(
    "schedule",
    [
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=9, cycle_momentum=True),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 9),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 1 / (step + 1)),
    ],
)
def test_schedules_drive_it_as_they_drive_adamw(network: Any, schedule: Any) -> None:
    model, reference = network(), network()
    ours = make(model, weight_decay=0.0)
    theirs = torch.optim.AdamW(reference.parameters(), 0.05, weight_decay=0.0)
    pairs = [(model, ours, schedule(ours)), (reference, theirs, schedule(theirs))]
    for _ in range(8):
        for each, optimizer, driver in pairs:
            one_step(each, optimizer)
            driver.step()
    assert_equal(model, reference)


def test_a_step_that_the_scaler_skips_keeps_its_decay(network: Any) -> None:
    model = network(dtype=torch.float32)
    optimizer = make(model, weight_decay=0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    optimizer.decay()
    decayed = model[5].weight.clone()
    scaler.scale(loss_of(model, X.float())).backward()
    model[0].weight.grad.fill_(torch.inf)
    scaler.step(optimizer)
    scaler.update()
    assert torch.equal(model[5].weight, decayed)
    optimizer.zero_grad()
    optimizer.decay()
    assert torch.equal(model[5].weight, decayed)
    scaler.scale(loss_of(model, X.float())).backward()
    scaler.step(optimizer)
    assert not torch.equal(model[5].weight, decayed)


def test_scaled_and_clipped_training_equals_the_plain_one(network: Any) -> None:
    model, reference = network(dtype=torch.float32), network(dtype=torch.float32)
    ours, plain = make(model), make(reference)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for _ in range(5):
        ours.decay()
        scaler.scale(loss_of(model, X.float())).backward()
        scaler.unscale_(ours)
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        scaler.step(ours)
        scaler.update()
        ours.zero_grad()
        plain.decay()
        loss_of(reference, X.float()).backward()
        nn.utils.clip_grad_norm_(reference.parameters(), 0.1)
        plain.step()
        plain.zero_grad()
    assert_equal(model, reference)


def test_under_autocast_the_weights_stay_in_their_own_dtype_and_learn(network: Any) -> None:
    model = network(dtype=torch.float32)
    optimizer = make(model)
    losses = []
    for _ in range(10):
        optimizer.decay()
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(model, X.float())
        loss.float().backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert {param.dtype for param in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["adam-lpwd", "sgd-lpwd", "adams", "adam-cautious", "adam-huber"])
def test_mixed_dtypes_step_as_each_would_alone(network: Any, name: str) -> None:
    mixed = network(dtype=torch.float32)
    mixed[5].double()
    start = {key: param.detach().clone() for key, param in mixed.named_parameters()}
    table = lpwd.layer_table(mixed)
    together = lpwd.build(name, table.groups(mixed.named_parameters()), lr=0.1, weight_decay=0.5)
    apart = {key: nn.Parameter(value) for key, value in start.items()}
    alone = lpwd.build(name, table.groups(apart), lr=0.1, weight_decay=0.5)
    wide = {key: nn.Parameter(value.double()) for key, value in start.items()}
    exact = lpwd.build(name, table.groups(wide), lr=0.1, weight_decay=0.5)
    for optimizer, params in ((together, dict(mixed.named_parameters())), (exact, wide)):
        optimizer.decay()
        for param in params.values():
            param.grad = torch.linspace(-1, 1, param.numel()).reshape(param.shape).to(param)
        optimizer.step()
    assert alone.param_groups[0]["param_names"] == together.param_groups[0]["param_names"]
    for key, param in mixed.named_parameters():
        torch.testing.assert_close(param.double(), wide[key], rtol=1e-5, atol=1e-6)
    assert mixed[5].weight.dtype is torch.float64


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_stacks_decay_at_full_precision_rates(dtype: torch.dtype) -> None:
    """1 − ηλ rounds to 1 in bfloat16, so it must not be computed there."""
    start = torch.linspace(1, 4, 24).reshape(2, 3, 4).to(dtype)
    weights = start.clone()
    table = lpwd.layer_table(nn.Linear(4, 3, bias=False))
    rates = torch.tensor([0.5, 0.5], dtype=torch.float64)
    optimizer = lpwd.build(
        "adam-pwd", table.groups({"weight": weights}), lr=rates, weight_decay=0.02
    )
    optimizer.decay()
    assert torch.equal(weights, (start.float() * 0.99).to(dtype))
    assert not torch.equal(weights, start * torch.tensor(0.99, dtype=dtype))


def test_complex_parameters_step_as_torch_steps_them() -> None:
    start = torch.randn(3, 2, dtype=torch.complex64)
    ends = []
    for make_optimizer in (
        lambda p: lpwd.Adam([p], lr=0.1, weight_decay=0.1, rule="decoupled"),
        lambda p: torch.optim.AdamW([p], lr=0.1, weight_decay=0.1),
    ):
        param = nn.Parameter(start.clone())
        optimizer = make_optimizer(param)
        for _ in range(3):
            (param.abs() - 1).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
        ends.append(param.detach())
    assert torch.equal(*ends)


def test_groups_have_rates_of_their_own(network: Any) -> None:
    model = network()
    decayed, free = layer_groups(model, X)
    optimizer = LPWD([{**decayed, "lr": 0.5, "weight_decay": 0.2}, free], lr=0.01)
    before = model[5].weight.clone()
    optimizer.decay()
    assert torch.equal(model[5].weight, before * (1 - 0.5 * 0.2))


def test_a_group_added_later_joins_in_with_its_decay(network: Any) -> None:
    model = network()
    table = lpwd.layer_table(model, X)
    named = dict(model.named_parameters())
    late = {"0.weight": named.pop("0.weight")}
    optimizer = LPWD(table.groups(named), lr=0.1, weight_decay=0.5)
    optimizer.decay()
    optimizer.add_param_group(table.groups(late)[0])
    before = {name: param.detach().clone() for name, param in model.named_parameters()}
    loss_of(model).backward()
    with pytest.raises(MissingDecay):
        optimizer.step()
    optimizer.decay()
    assert torch.equal(model[0].weight, before["0.weight"] * (1 - 0.1 * 0.5 / 3))
    assert torch.equal(model[5].weight, before["5.weight"])
    optimizer.step()
    assert all(not torch.equal(p, before[name]) for name, p in model.named_parameters())


@pytest.mark.parametrize(
    ("group", "error"),
    [
        ({"params": [torch.ones(2)]}, MissingLayers),
        ({"params": [torch.ones(2)], "layers": [1], "layer_count": 1, "lr": -1.0}, ValueError),
    ],
)
def test_a_refused_group_leaves_the_optimizer_as_it_was(
    network: Any, group: dict[str, Any], error: type[Exception]
) -> None:
    model = network()
    optimizer = make(model)
    with pytest.raises(error):
        optimizer.add_param_group({"param_names": ["late"], **group})
    assert len(optimizer.param_groups) == 2
    one_step(model, optimizer)


def test_an_empty_group_is_no_trouble(network: Any) -> None:
    model = network()
    empty = {"params": [], "param_names": [], "layers": [], "layer_count": 3}
    optimizer = LPWD([*layer_groups(model, X), empty], lr=0.05)
    reference = network()
    other = make(reference)
    for _ in range(2):
        one_step(model, optimizer)
        one_step(reference, other)
    assert_equal(model, reference)


def test_two_optimizers_share_a_model_and_its_layers(network: Any) -> None:
    """The first two layers by LPWD on Adam, the last by LPWD on SGD, n counted over the whole."""
    model = network()
    before = copy.deepcopy(model)
    table = lpwd.layer_table(model, X)
    named = dict(model.named_parameters())
    last = {name: named.pop(name) for name in ("5.weight", "5.bias")}
    front = LPWD(table.groups(named), lr=0.1, weight_decay=0.5)
    back = lpwd.SGDLPWD(table.groups(last), lr=0.2, weight_decay=0.5)
    handles = [front.attach(model), back.attach(model)]
    loss_of(model).backward()
    assert torch.equal(model[0].weight, before[0].weight * (1 - 0.1 * 0.5 / 3))
    assert torch.equal(model[5].weight, before[5].weight * (1 - 0.2 * 0.5))
    front.step()
    back.step()
    assert len(handles) == 2


def test_a_parameter_that_got_no_gradient_is_decayed_but_not_stepped() -> None:
    """What pre-decay means for a branch that this batch did not take: decided, so tested."""
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)).double()
    optimizer = LPWD(layer_groups(model), lr=0.1, weight_decay=0.5)
    before = copy.deepcopy(model)
    optimizer.decay()
    model[0](X).sum().backward()
    optimizer.step()
    assert torch.equal(model[1].weight, before[1].weight * (1 - 0.1 * 0.5))
    assert model[1].weight not in optimizer.state


def test_a_tied_weight_decays_once() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)).double()
    model[1].weight = model[0].weight
    optimizer = LPWD(layer_groups(model, X), lr=0.1, weight_decay=0.5)
    before = model[0].weight.clone()
    optimizer.decay()
    assert torch.equal(model[0].weight, before * (1 - 0.1 * 0.5))


def test_gradients_set_to_zero_or_to_none(network: Any) -> None:
    model = network()
    optimizer = make(model)
    loss_of(model).backward()
    optimizer.zero_grad(set_to_none=False)
    assert all(torch.count_nonzero(param.grad) == 0 for param in model.parameters())
    optimizer.zero_grad()
    assert all(param.grad is None for param in model.parameters())


def test_step_hooks_of_torch_are_called(network: Any) -> None:
    model = network()
    optimizer = make(model)
    seen: list[str] = []
    optimizer.register_step_pre_hook(lambda *_: seen.append("pre"))
    optimizer.register_step_post_hook(lambda *_: seen.append("post"))
    one_step(model, optimizer)
    assert seen == ["pre", "post"]


def test_maximize_climbs(network: Any) -> None:
    model = network()
    optimizer = make(model, maximize=True, weight_decay=0.0)
    first = loss_of(model).item()
    for _ in range(5):
        one_step(model, optimizer)
    assert loss_of(model).item() > first


def test_state_memory_is_adams(network: Any) -> None:
    def size(optimizer: torch.optim.Optimizer) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for state in optimizer.state.values():
            for key, value in state.items():
                sizes[key] = sizes.get(key, 0) + value.numel() * value.element_size()
        return sizes

    model, reference = network(), network()
    optimizer, adamw = make(model), torch.optim.AdamW(reference.parameters())
    one_step(model, optimizer)
    one_step(reference, adamw)
    assert size(optimizer) == size(adamw)


@pytest.mark.parametrize("name", ["adam-lpwd", "sgd-lpwd", "adams"])
def test_a_compiled_training_step_is_compiled_once_and_agrees(network: Any, name: str) -> None:
    compiled, eager = network(dtype=torch.float64), network(dtype=torch.float64)
    torch._dynamo.reset()

    def stepper(model: nn.Module) -> Any:
        optimizer = lpwd.build(name, layer_groups(model, X), lr=0.05, weight_decay=0.5)

        def step() -> None:
            optimizer.decay()
            loss_of(model).backward()
            optimizer.step()
            optimizer.zero_grad()

        return step

    fast = torch.compile(stepper(compiled), backend="aot_eager")
    slow = stepper(eager)
    graphs = []
    for _ in range(5):
        fast()
        slow()
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs[2] == graphs[-1], "it compiles anew at every step"
    for one, other in zip(compiled.parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_an_attached_model_may_be_compiled(network: Any) -> None:
    model, reference = network(), network()
    optimizer, other = make(model, weight_decay=0.5), make(reference, weight_decay=0.5)
    optimizer.attach(model)
    torch._dynamo.reset()
    fast = torch.compile(model, backend="aot_eager")
    for _ in range(3):
        loss_of(fast).backward()
        optimizer.step()
        optimizer.zero_grad()
        one_step(reference, other)
    for one, two in zip(model.parameters(), reference.parameters(), strict=True):
        # Some releases of torch.compile hold the decay factors in float32.
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def test_capturable_and_plain_agree(network: Any) -> None:
    """Step counts as tensors, as a CUDA graph needs them, give the same weights."""
    for name in ("adam-lpwd", "sgd-lpwd", "adams", "adamc", "adam-cautious", "adam-huber"):
        plain, capturable = network(), network()
        optimizers = []
        for model in (plain, capturable):
            optimizer = lpwd.build(name, layer_groups(model, X), lr=0.05, weight_decay=0.5)
            optimizers.append((model, optimizer))
        for group in optimizers[1][1].param_groups:
            group["capturable"] = True
        for _ in range(4):
            for model, optimizer in optimizers:
                one_step(model, optimizer)
        for one, two in zip(plain.parameters(), capturable.parameters(), strict=True):
            torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def test_capturable_and_plain_agree_without_running_means(network: Any) -> None:
    """β = 0 has no logarithm."""
    plain, capturable = network(), network()
    for model in (plain, capturable):
        optimizer = make(model, betas=(0.0, 0.0), capturable=model is capturable)
        for _ in range(2):
            one_step(model, optimizer)
    for one, two in zip(plain.parameters(), capturable.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_a_rate_of_the_wrong_type_is_refused(network: Any) -> None:
    with pytest.raises(InvalidHyperparameter, match="lr must be a float or a"):
        LPWD(layer_groups(network()), lr="0.1")  # type: ignore[arg-type]
