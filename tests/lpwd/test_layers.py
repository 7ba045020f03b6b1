"""The layer table and its groups: order, units, tied and functional weights, no side effects."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lpwd import LPWD, LayerTable, layer_groups, layer_table
from lpwd.errors import InvalidHyperparameter, MissingLayers, UnknownParameter


def layers(table: LayerTable) -> dict[str, int]:
    return {row.name: row.layer for row in table.rows}


class Reversed(nn.Module):
    """Registers its layers in the opposite order of their use, one weight functionally."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(2, 2)
        self.last = nn.Linear(4, 2)
        self.middle = nn.Parameter(torch.ones(4, 4))
        self.first = nn.Linear(3, 4, bias=False)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x: Tensor) -> Tensor:
        assert self.last.weight.shape == (2, 4)  # looking at a weight is not using it
        hidden = self.norm(self.first(x))
        return self.last(nn.functional.linear(hidden, self.middle))


def test_layers_are_numbered_by_first_use() -> None:
    table = layer_table(Reversed(), torch.zeros(2, 3))
    assert table.layer_count == 4
    assert layers(table) == {
        "first.weight": 1,
        "norm.weight": 1,
        "norm.bias": 1,
        "middle": 2,
        "last.weight": 3,
        "last.bias": 3,
        "spare.weight": 4,
        "spare.bias": 4,
    }


def test_without_inputs_layers_are_numbered_as_registered_and_the_table_says_so() -> None:
    table = layer_table(Reversed())
    assert layers(table)["spare.weight"] < layers(table)["last.weight"]
    assert str(table).startswith("4 layers (module), ordered by registration")


def test_weights_decay_and_biases_and_normalisation_do_not() -> None:
    decayed = {row.name for row in layer_table(Reversed()).rows if row.decayed}
    assert decayed == {"first.weight", "middle", "last.weight", "spare.weight"}
    everything = layer_table(Reversed(), torch.zeros(2, 3), decay_all=True)
    assert all(row.decayed for row in everything.rows)
    assert everything.layer_count == 5  # the normalisation is a layer now


def test_every_decayed_parameter_can_be_a_layer() -> None:
    model = nn.LSTM(3, 4, num_layers=2)
    assert layer_table(model, torch.zeros(5, 1, 3)).layer_count == 1
    assert layer_table(model, torch.zeros(5, 1, 3), unit="parameter").layer_count == 4


def test_a_tied_weight_has_one_row_at_its_first_use() -> None:
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 4), nn.Linear(4, 7, bias=False))
    model[2].weight = model[0].weight
    table = layer_table(model, torch.zeros(2, dtype=torch.long))
    assert layers(table) == {"0.weight": 1, "1.weight": 2, "1.bias": 2}


def test_the_table_prints_what_it_knows() -> None:
    text = str(layer_table(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)), torch.zeros(1, 3)))
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["2", "layers", "(module),", "ordered", "by", "use"]
    assert ["0.weight", "1/2", "0.500", "6", "yes"] in lines
    assert ["1.bias", "2/2", "-", "1", "no"] in lines


def test_looking_leaves_the_model_and_the_random_state_as_they_were() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    model[2].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.random.get_rng_state()
    layer_table(model, torch.randn(2, 3, generator=torch.Generator().manual_seed(0)))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())
    assert [module.training for module in model] == [True, True, False, True]
    assert all(param.grad is None for param in model.parameters())


def test_groups_keep_positions_beside_names_and_tensors() -> None:
    model = Reversed()
    decayed, free = layer_groups(model, torch.zeros(2, 3))
    assert decayed["param_names"] == ["first.weight", "middle", "last.weight", "spare.weight"]
    assert decayed["layers"] == [1, 2, 3, 4]
    assert decayed["params"][1] is model.middle
    assert "weight_decay" not in decayed
    assert free["weight_decay"] == 0.0
    assert len(free["params"]) == 4


def test_the_table_and_not_the_tensor_decides_what_decays() -> None:
    table = layer_table(nn.Linear(3, 2))
    stacked = {"weight": torch.ones(4, 2, 3), "bias": torch.ones(4, 2)}
    decayed, free = table.groups(stacked)
    assert decayed["param_names"] == ["weight"]
    assert free["param_names"] == ["bias"]


def test_a_part_of_the_model_keeps_its_place_in_the_whole() -> None:
    table = layer_table(Reversed(), torch.zeros(2, 3))
    (group,) = table.groups({"last.weight": torch.ones(2, 4)})
    assert (group["layers"], group["layer_count"]) == ([3], 4)


def test_a_name_from_elsewhere_is_refused() -> None:
    with pytest.raises(UnknownParameter, match=r"'head\.weight' is not in the layer table"):
        layer_table(nn.Linear(3, 2)).groups({"head.weight": torch.ones(2, 3)})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layer_table(nn.Tanh()), "no parameters"),
        (lambda: layer_table(nn.Linear(1, 1), unit="modul"), "unit must be .*'modul'"),  # type: ignore[arg-type]
        (lambda: layer_table(nn.Linear(1, 1), order="x"), "order must be .*'x'"),  # type: ignore[arg-type]
        (lambda: layer_table(nn.Linear(1, 1)).groups({}), "no parameters were given"),
    ],
)
def test_nonsense_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidHyperparameter, match=message):
        make()


def test_lpwd_refuses_parameters_without_layers_and_says_what_to_do() -> None:
    with pytest.raises(MissingLayers, match=r"layer_groups\(model, example_input\)"):
        LPWD(nn.Linear(3, 2).parameters(), weight_decay=0.0)


def test_layers_may_be_given() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2), nn.Linear(2, 2), nn.Linear(2, 1))
    given = {
        name: {"0": 7, "1": 8, "2": 7, "3": 20}[name[0]] for name, _ in model.named_parameters()
    }
    table = layer_table(model, layers=given)
    assert table.layer_count == 2
    assert layers(table)["2.weight"] == layers(table)["0.weight"] == layers(table)["1.weight"] == 1
    assert layers(table)["3.weight"] == 2
    assert str(table).startswith("2 layers (given), ordered by their numbers")
    with pytest.raises(UnknownParameter, match=r"miss '1\.bias'"):
        layer_table(model, layers={k: v for k, v in given.items() if k != "1.bias"})
    with pytest.raises(UnknownParameter, match="name 'head'"):
        layer_table(model, layers={**given, "head": 3})


def test_frozen_layers_keep_their_place() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    assert layers(layer_table(model, torch.zeros(1, 3)))["1.weight"] == 2


def test_the_table_shows_the_factors_of_any_schedule() -> None:
    table = layer_table(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)))
    lines = [line.split() for line in table.to_text("reversed").splitlines()]
    assert ["0.weight", "1/2", "1.000", "6", "yes"] in lines
    assert ["1.weight", "2/2", "0.500", "2", "yes"] in lines
    assert table.layer_sizes() == [6, 2]


def test_a_model_in_which_nothing_decays_has_one_layer() -> None:
    table = layer_table(nn.Sequential(nn.LayerNorm(3), nn.LayerNorm(3)))
    assert table.layer_count == 1
    assert not any(row.decayed for row in table.rows)
