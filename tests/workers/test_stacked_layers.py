"""Layers with K models' weights compute what K layers do, forwards and backwards."""

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional

from workers.training.stacked import Noise, Stacking

K = 3


class Attention(nn.Module):
    """Causal self-attention with the heads' own function."""

    def __init__(self):
        super().__init__()
        self.project = nn.Linear(8, 24)

    def forward(self, inputs):
        query, key, value = (
            self.project(inputs).view(*inputs.shape[:2], 3, 2, 4).permute(2, 0, 3, 1, 4)
        )
        return functional.scaled_dot_product_attention(query, key, value, is_causal=True)


LAYERS = {
    "linear": (lambda: nn.Linear(5, 4), (6, 5)),
    "linear without bias": (lambda: nn.Linear(5, 4, bias=False), (6, 5)),
    "linear on sequences": (lambda: nn.Linear(5, 4), (6, 3, 5)),
    "convolution of rows": (lambda: nn.Conv1d(3, 4, 5, stride=2, padding=1), (6, 3, 11)),
    "convolution of images": (lambda: nn.Conv2d(3, 4, 3, padding=1), (6, 3, 8, 7)),
    "strided, unpadded, uneven": (lambda: nn.Conv2d(2, 4, (3, 2), stride=(3, 2)), (5, 2, 10, 9)),
    "stride beyond the kernel": (lambda: nn.Conv2d(2, 3, 1, stride=2, bias=False), (5, 2, 7, 7)),
    "grouped convolution": (lambda: nn.Conv2d(4, 4, 3, groups=4), (5, 4, 6, 6)),
    "dilated convolution": (lambda: nn.Conv2d(2, 4, 3, dilation=2), (5, 2, 8, 8)),
    "convolution padded by name": (lambda: nn.Conv2d(2, 4, 3, padding="same"), (5, 2, 6, 6)),
    "batch norm": (lambda: nn.BatchNorm2d(3), (6, 3, 4, 4)),
    "batch norm of features": (lambda: nn.BatchNorm1d(5), (6, 5)),
    "batch norm, not affine": (lambda: nn.BatchNorm1d(5, affine=False), (6, 5)),
    "group norm": (lambda: nn.GroupNorm(2, 4), (6, 4, 3, 3)),
    "layer norm": (lambda: nn.LayerNorm(5), (6, 3, 5)),
    "GRU": (lambda: nn.GRU(2, 4, batch_first=True), (6, 7, 2)),
    "GRU, two layers, both ways": (lambda: nn.GRU(2, 4, 2, bidirectional=True), (7, 6, 2)),
    "attention": (Attention, (6, 5, 8)),
    "multi-head attention": (lambda: _SelfAttention(dropout=0.0), (6, 5, 8)),
    "pooling": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1)),
                (5, 2, 8, 8)),
    "embedding": (lambda: nn.Embedding(9, 4), None),
}  # fmt: skip


class _SelfAttention(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, dropout=dropout, batch_first=True)

    def forward(self, inputs):
        return self.attention(inputs, inputs, inputs, need_weights=False)[0]


def first_of(outputs):
    return outputs[0] if isinstance(outputs, tuple) else outputs


def alone(layer, tensors, inputs, masks=()):
    with Stacking(Noise(masks), lifted=False):
        return first_of(functional_call(layer, tensors, (inputs,)))


def compare(layers, batch, *, shared):
    """Outputs, gradients and running statistics of a stack against those of its layers."""
    batch = batch[:1] if shared else batch
    batch.requires_grad_(batch.is_floating_point())
    inputs = batch[0] if shared else batch
    names = [name for name, _ in layers[0].named_parameters()]
    tensors = {
        name: torch.stack([layer.state_dict()[name] for layer in layers])
        for name in layers[0].state_dict()
    }
    for name in names:
        tensors[name].requires_grad_()

    def stacked(own, x):
        with Stacking(Noise(()), lifted=True):
            return first_of(functional_call(layers[0], own, (x,)))

    outputs = torch.vmap(stacked, in_dims=(0, None if shared else 0))(tensors, inputs)
    chance = torch.randn_like(outputs)
    wanted = [tensors[name] for name in names] + [batch] * batch.requires_grad
    gradients = torch.autograd.grad((outputs * chance).sum(), wanted)
    for k, layer in enumerate(layers):
        x = (batch[0] if shared else batch[k]).detach()
        x = x.requires_grad_(batch.requires_grad)
        single = first_of(layer(x))
        torch.testing.assert_close(outputs[k], single)
        mine = torch.autograd.grad(
            (single * chance[k]).sum(), [*layer.parameters()] + [x] * batch.requires_grad
        )
        for whole, part in zip(gradients[: len(names)], mine, strict=False):
            torch.testing.assert_close(whole[k], part)
        if batch.requires_grad and not shared:
            torch.testing.assert_close(gradients[-1][k], mine[-1])
        for name, buffer in layer.named_buffers():
            torch.testing.assert_close(tensors[name][k], buffer)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.filterwarnings("ignore:There is a performance drop")  # of what is left to vmap
def test_a_stack_computes_what_its_layers_do(kind, shared):
    make, shape = LAYERS[kind]
    torch.manual_seed(0)
    layers = [make().double() for _ in range(K)]
    batch = torch.randint(9, (K, 6, 5)) if shape is None else torch.randn(K, *shape).double()
    compare(layers, batch, shared=shared)


class Loss(nn.Module):
    """Cross entropy of a linear layer, as tasks have it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(5, 4)

    def forward(self, inputs):
        targets = torch.arange(len(inputs)) % 4
        return functional.cross_entropy(self.layer(inputs), targets).expand(1)


def test_the_loss_is_that_of_single_models():
    torch.manual_seed(0)
    compare([Loss().double() for _ in range(K)], torch.randn(K, 6, 5).double(), shared=False)


@pytest.mark.parametrize(
    ("make", "shape", "avoided"),
    [
        (LAYERS["convolution of rows"][0], (6, 3, 11), "convolution"),
        (LAYERS["convolution of images"][0], (6, 3, 8, 7), "convolution"),
        (LAYERS["batch norm"][0], (6, 3, 4, 4), "native_batch_norm"),
        (Loss, (6, 5), "gather"),
        (LAYERS["embedding"][0], None, "index"),
    ],
)
def test_rules_are_followed_where_they_apply(make, shape, avoided):
    """What `torch.vmap` would have used is not there."""
    layer = make()
    inputs = torch.randint(9, (6, 5)) if shape is None else torch.randn(shape)
    own = {name: torch.stack([t, t]) for name, t in layer.state_dict().items()}

    def stacked(own):
        with Stacking(Noise(()), lifted=True):
            return functional_call(layer, own, (inputs,))

    graph = make_fx(torch.vmap(stacked))(own)
    assert not any(
        avoided == str(node.target).split(".")[-2]
        for node in graph.graph.nodes
        if "." in str(node.target)
    )


@settings(max_examples=40)
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_a_convolution_of_any_geometry(size, kernel, stride, padding):
    assume(all(n + 2 * p >= k for n, p, k in zip(size, padding, kernel, strict=True)))
    torch.manual_seed(0)
    layers = [nn.Conv2d(2, 3, kernel, stride, padding).double() for _ in range(2)]
    compare(layers, torch.randn(2, 4, 2, *size).double(), shared=False)


def test_batch_norm_evaluates_at_its_running_statistics():
    torch.manual_seed(0)
    layers = [nn.BatchNorm1d(5).double() for _ in range(K)]
    for layer in layers:
        layer(torch.randn(9, 5).double())
        layer.eval()
    compare(layers, torch.randn(K, 4, 5).double(), shared=False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Dropout(0.3),
        lambda: nn.Dropout2d(0.3),
        lambda: _SelfAttention(dropout=0.3),
        lambda: nn.TransformerEncoderLayer(8, 2, 16, 0.3, batch_first=True),
    ],
)
@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_noise_is_given_in_the_order_it_is_asked_for(make):
    torch.manual_seed(0)
    layer = make().double()
    inputs = torch.randn(6, 5, 8).double() if list(layer.parameters()) else torch.randn(6, 5, 8, 2)
    asked = Noise(None)
    with Stacking(asked, lifted=False):
        first_of(layer(inputs))
    masks = [site.draw(torch.Generator().manual_seed(1)) for site in asked.sites]
    tensors = {name: torch.stack([t, 2 * t]) for name, t in layer.named_parameters()}
    assert masks

    def stacked(own, x, given):
        with Stacking(Noise(given), lifted=True):
            return first_of(functional_call(layer, own, (x,)))

    found = torch.vmap(stacked, in_dims=(0, None, None), out_dims=0)
    outputs = (
        found(tensors, inputs, masks)
        if tensors
        else stacked({}, inputs, masks).expand(2, *inputs.shape)
    )
    for k in range(2):
        single = alone(layer, {name: t[k] for name, t in tensors.items()}, inputs, masks)
        torch.testing.assert_close(outputs[k], single)
    assert not torch.allclose(outputs[0], layer.eval()(inputs))


def test_dropout_keeps_the_mean_and_scales_what_it_keeps():
    inputs = torch.ones(1000, 20)
    layer, asked = nn.Dropout(0.25), Noise(None)
    with Stacking(asked, lifted=False):
        layer(inputs)
    (site,) = asked.sites
    outputs = alone(layer, {}, inputs, [site.draw(torch.Generator().manual_seed(0))])
    assert outputs.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert outputs.mean() == pytest.approx(1.0, abs=0.02)
