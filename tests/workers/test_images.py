"""Images on their way to the model: read, augmented, prepared."""

import pickle

import numpy as np
import pytest
import torch
from torchvision import datasets

from tests.workers.tiny_data import CLASSES
from workers.data import read
from workers.tasks.fine_tuning import Resize
from workers.tasks.images import CIFAR10, IMAGENET, Crop, Load

NAMES = ("mnist", "fashion-mnist", "cifar10", "cifar100", "svhn")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batch_of(count, size=8):
    return torch.randint(1, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator(9))


@pytest.mark.parametrize("name", NAMES)
def test_every_image_keeps_its_class(tiny, name):
    """The classes of the small data sets can be told by their brightness."""
    for images, labels in read.images(name):
        assert images.dtype == np.uint8
        assert images.shape[1:] == ((1, 28, 28) if "mnist" in name else (3, 32, 32))
        brightness = images.reshape(len(images), -1).mean(axis=1)
        np.testing.assert_array_equal(np.round((brightness - 14.5) / 20), labels)
        assert set(labels) == set(range(CLASSES))


def test_channels_rows_and_columns_are_where_the_file_has_them(tiny):
    with (tiny / "cifar10/cifar-10-batches-py/test_batch").open("rb") as file:
        raw = pickle.load(file, encoding="latin1")["data"]
    np.testing.assert_array_equal(read.images("cifar10")[1][0], raw.reshape(-1, 3, 32, 32))


@pytest.mark.parametrize(
    ("name", "reader"), [("mnist", datasets.MNIST), ("fashion-mnist", datasets.FashionMNIST)]
)
def test_torchvision_reads_the_same_without_us(tiny, name, reader):
    plain = reader(tiny / name, train=False)
    images, labels = read.images(name)[1]
    np.testing.assert_array_equal(np.stack([np.asarray(image) for image, _ in plain]), images[:, 0])
    np.testing.assert_array_equal([label for _, label in plain], labels)


def test_seeds_share_the_test_images(tiny):
    load = Load("cifar10")
    assert load(0).test[0] is load(1).test[0]


def test_every_class_has_its_share_of_validation(tiny):
    labels = Load("svhn")(3).validation[1]
    assert set(labels) == set(range(CLASSES))


def test_a_flip_is_a_flip_and_half_are_flipped():
    batch = batch_of(400)
    flipped = Crop(padding=0, flip=True)(batch, generator())
    mirrored = (flipped == batch.flip(3)).flatten(1).all(1)
    same = (flipped == batch).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 160 < int(mirrored.sum()) < 240


@pytest.mark.parametrize("flip", [False, True])
def test_a_crop_is_a_window_of_the_padded_image_and_all_are_drawn(flip):
    padding, size = 2, 8
    batch = batch_of(600, size)
    found = Crop(padding, flip)(batch, generator())
    padded = torch.nn.functional.pad(batch, [padding] * 4)
    drawn = set()
    for crop, image in zip(found, padded, strict=True):
        places = [
            (top, left, turned)
            for top in range(2 * padding + 1)
            for left in range(2 * padding + 1)
            for turned in range(1 + flip)
            if torch.equal(image[:, top : top + size, left : left + size].flip([2] * turned), crop)
        ]
        (place,) = places
        drawn.add(place)
    assert len(drawn) == (2 * padding + 1) ** 2 * (1 + flip)


def test_every_image_is_moved_by_chance_of_its_own():
    batch = batch_of(1).expand(64, -1, -1, -1)
    moved = Crop(padding=4, flip=True)(batch, generator())
    assert len({image.numpy().tobytes() for image in moved}) > 40


def test_prepared_images_have_mean_0_and_deviation_1_where_the_data_has_theirs():
    black, white = torch.zeros(1, 3, 2, 2, dtype=torch.uint8), torch.full((1, 3, 2, 2), 255)
    for channel in range(3):
        expected = -CIFAR10.mean[channel] / CIFAR10.deviation[channel]
        assert CIFAR10(black)[0, channel].flatten().tolist() == pytest.approx([expected] * 4)
        expected = (1 - CIFAR10.mean[channel]) / CIFAR10.deviation[channel]
        assert CIFAR10(white.byte())[0, channel, 0, 0].item() == pytest.approx(expected)
    assert CIFAR10(black).dtype == torch.float32


def test_enlarging_keeps_size_and_content():
    batch = batch_of(2, 32)
    torch.testing.assert_close(Resize(32)(batch), IMAGENET(batch))
    enlarged = Resize(224)(batch)
    assert enlarged.shape == (2, 3, 224, 224)
    smaller = torch.nn.functional.avg_pool2d(enlarged, 7)
    torch.testing.assert_close(smaller.mean(), IMAGENET(batch).mean(), atol=0.01, rtol=0)
