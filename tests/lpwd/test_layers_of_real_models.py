"""Layers of torchvision's and timm's models, whose weights module hooks alone would miss."""

import timm
import torch
from torch import nn
from torchvision.models import SwinTransformer, VisionTransformer, convnext_tiny, resnet18

from lpwd import LayerTable, layer_table

IMAGE = torch.zeros(1, 3, 32, 32)


def decayed(table: LayerTable) -> dict[str, int]:
    return {row.name: row.layer for row in table.rows if row.decayed}


def vision_transformer() -> nn.Module:
    return VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5)


def test_functional_weights_of_attention_are_found_where_they_are_used() -> None:
    layers = decayed(layer_table(vision_transformer(), IMAGE))
    block = "encoder.layers.encoder_layer_0."
    order = ["conv_proj.weight", "class_token", "encoder.pos_embedding"]
    order += [block + "self_attention.in_proj_weight", block + "self_attention.out_proj.weight"]
    order += [block + "mlp.0.weight", block + "mlp.3.weight"]
    assert [layers[name] for name in order] == [1, 2, 3, 4, 5, 6, 7]
    assert layers["heads.head.weight"] == 12


def test_swin_uses_its_weights_functionally_and_none_is_missed() -> None:
    model = SwinTransformer([4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=5)
    table = layer_table(model, IMAGE)
    layers = decayed(table)
    assert layers["features.0.0.weight"] == 1
    assert layers["features.1.0.attn.qkv.weight"] < layers["features.1.0.attn.proj.weight"]
    assert layers["features.1.1.mlp.3.weight"] < layers["features.2.reduction.weight"]
    assert layers["head.weight"] == table.layer_count == max(layers.values())


def test_blocks_are_residual_blocks_and_transformer_layers() -> None:
    resnet = decayed(layer_table(resnet18(), IMAGE, unit="block"))
    assert resnet["conv1.weight"] == 1
    assert {resnet[f"layer2.0.{part}.weight"] for part in ("conv1", "conv2", "downsample.0")} == {4}
    assert resnet["layer2.1.conv1.weight"] == 5
    assert resnet["fc.weight"] == 10
    vit = decayed(layer_table(vision_transformer(), IMAGE, unit="block"))
    first = {layer for name, layer in vit.items() if "encoder_layer_0" in name}
    second = {layer for name, layer in vit.items() if "encoder_layer_1" in name}
    assert (first, second, vit["heads.head.weight"]) == ({4}, {5}, 6)
    assert layer_table(convnext_tiny(), unit="block").layer_count == 1 + 18 + 3 + 1


def test_timm_models_say_themselves_what_their_blocks_are() -> None:
    model = timm.create_model("vit_tiny_patch16_224", depth=2, num_classes=4)
    table = layer_table(model, unit="block")
    layers = decayed(table)
    assert layers["patch_embed.proj.weight"] == layers["cls_token"] == layers["pos_embed"] == 1
    assert layers["blocks.0.attn.qkv.weight"] == layers["blocks.0.mlp.fc2.weight"] == 2
    assert (layers["blocks.1.mlp.fc1.weight"], layers["head.weight"]) == (3, 4)
    assert table.layer_count == 4


def test_a_pre_norm_transformers_head_alone_is_not_normalised() -> None:
    rows = layer_table(vision_transformer(), IMAGE).rows
    free = [row.name for row in rows if row.decayed and not row.normalised]
    assert free == ["heads.head.weight"]


def test_a_weight_under_a_parametrisation_is_found() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.utils.parametrizations.weight_norm(nn.Linear(4, 2)))
    layers = decayed(layer_table(model, torch.zeros(1, 4)))
    assert layers["0.weight"] == 1
    assert layers["1.parametrizations.weight.original1"] == 2


def test_lazy_modules_get_their_layers_once_they_have_a_shape() -> None:
    model = nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 2))
    assert decayed(layer_table(model, torch.zeros(1, 3))) == {"0.weight": 1, "1.weight": 2}
