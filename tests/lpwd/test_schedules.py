"""Layer schedules: their shapes, their means, and what is refused."""

import math
from collections.abc import Callable

import pytest
import torch

import lpwd
from lpwd.errors import InvalidHyperparameter, MissingLayers
from lpwd.layers.schedules import SCHEDULES, Matched, Power, Shuffled, layer_factors, linear

SIZES = [10, 1, 1, 8]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", [1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.25, 0.5, 0.75, 1.0]),
        ("reversed", [1.0, 0.75, 0.5, 0.25]),
        ("cosine", [0.1464466094, 0.5, 0.8535533906, 1.0]),
        ("power", [0.0625, 0.25, 0.5625, 1.0]),
        ("matched", [0.625] * 4),
        ("matched-parameters", [(2.5 + 0.5 + 0.75 + 8) / 20] * 4),
    ],
)
def test_the_shapes(name: str, expected: list[float]) -> None:
    assert layer_factors(SCHEDULES[name], 4, SIZES) == pytest.approx(expected)


def test_the_mean_of_the_linear_schedule_is_as_the_paper_has_it() -> None:
    for n in range(1, 30):
        assert layer_factors(Matched(), n) == pytest.approx([(n + 1) / (2 * n)] * n)


def test_power_holds_constant_and_linear() -> None:
    assert layer_factors(Power(0.0), 5) == [1.0] * 5
    assert layer_factors(Power(1.0), 5) == layer_factors(linear, 5)


def test_shuffled_deals_out_the_linear_factors_by_its_seed() -> None:
    orders = {tuple(layer_factors(Shuffled(seed), 6)) for seed in range(10)}
    assert len(orders) > 5
    assert all(sorted(order) == layer_factors(linear, 6) for order in orders)
    assert layer_factors(Shuffled(3), 6) == layer_factors(Shuffled(3), 6)


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_normalised_the_mean_is_one(name: str) -> None:
    by_layer = layer_factors(SCHEDULES[name], 4, SIZES, "layers")
    assert math.fsum(by_layer) / 4 == pytest.approx(1.0)
    by_parameter = layer_factors(SCHEDULES[name], 4, SIZES, "parameters")
    weighted = math.fsum(f * size for f, size in zip(by_parameter, SIZES, strict=True))
    assert weighted / sum(SIZES) == pytest.approx(1.0)


def test_any_function_is_a_schedule() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    optimizer = lpwd.LPWD(lpwd.layer_groups(model), layer_schedule=lambda i, n: 10.0 * i + n)
    assert optimizer.param_groups[0]["factors"] == [12.0, 22.0]


def test_a_group_may_bring_its_own_factors() -> None:
    params = [torch.ones(2, 2), torch.ones(2, 2)]
    optimizer = lpwd.Adam(
        [{"params": params, "factors": [0.0, 2.0]}], lr=0.1, weight_decay=1.0, rule="pre"
    )
    optimizer.decay()
    assert float(params[0][0, 0]) == 1.0
    assert float(params[1][0, 0]) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layer_factors(lambda i, n: -1.0, 2), InvalidHyperparameter, "layer 1 of 2.*-1.0"),
        (lambda: layer_factors(lambda i, n: math.nan, 2), InvalidHyperparameter, "finite"),
        (lambda: layer_factors(linear, 2, None, "parameters"), MissingLayers, "layer_sizes"),
        (lambda: layer_factors(lambda i, n: 0.0, 2, None, "layers"), InvalidHyperparameter, "0 ev"),
        (
            lambda: layer_factors(linear, 2, None, "mean"),  # type: ignore[arg-type]
            InvalidHyperparameter,
            "normalise must be .*'mean'",
        ),
        (
            lambda: lpwd.Adam(
                [{"params": [torch.ones(1)], "factors": [1.0, 2.0]}], weight_decay=0.1
            ),
            InvalidHyperparameter,
            "1 parameters but 2 factors",
        ),
        (
            lambda: lpwd.LPWD([{"params": [torch.ones(1)], "layers": [3], "layer_count": 2}]),
            MissingLayers,
            r"layers must be 1 … 2 \(layer_count\), not \[3\]",
        ),
    ],
)
def test_nonsense_is_refused(
    make: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()
