"""The records of data sets say what torchvision says."""

import subprocess
import sys

import pytest
from torchvision import datasets, models

from workers import data, tasks
from workers.data import Packing
from workers.errors import DuplicateDataSetError, UnknownDataSetError


def urls_and_checksums(name):
    return {one.url: one.checksum for one in data.get(name).downloads}


@pytest.mark.parametrize(
    ("name", "reader"), [("mnist", datasets.MNIST), ("fashion-mnist", datasets.FashionMNIST)]
)
def test_idx_files(name, reader):
    expected = {reader.mirrors[0] + file: f"md5:{md5}" for file, md5 in reader.resources}
    assert urls_and_checksums(name) == expected
    assert {one.packing for one in data.get(name).downloads} == {Packing.GZIP}


@pytest.mark.parametrize(
    ("name", "reader"), [("cifar10", datasets.CIFAR10), ("cifar100", datasets.CIFAR100)]
)
def test_cifar(name, reader):
    assert urls_and_checksums(name) == {reader.url: f"md5:{reader.tgz_md5}"}


def test_svhn():
    splits = [datasets.SVHN.split_list[split] for split in ("train", "test")]
    assert urls_and_checksums("svhn") == {url: f"md5:{md5}" for url, _, md5 in splits}


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("convnext-tiny-imagenet", models.ConvNeXt_Tiny_Weights.IMAGENET1K_V1),
        ("swin-tiny-imagenet", models.Swin_T_Weights.IMAGENET1K_V1),
    ],
)
def test_weights(name, weights):
    (download,) = data.get(name).downloads
    assert download.url == weights.url
    # The digits in the name are the first ones of the file's SHA-256.
    assert download.checksum == f"sha256:{weights.url.rpartition('-')[2].removesuffix('.pth')}"
    assert download.size / 2**20 == pytest.approx(weights.meta["_file_size"], abs=0.001)


def test_tasks_name_data_sets_that_exist():
    for task in tasks.tasks():
        assert task.datasets
        for name in task.datasets:
            data.get(name)


def test_what_comes_with_a_package_is_here():
    packaged = [one for one in data.datasets() if one.package]
    assert {one.name for one in packaged} == {"digits", "breast-cancer", "mnist1d", "pydoc"}
    assert not data.missing(one.name for one in packaged)


def test_unknown_data_sets_are_named_with_those_there_are():
    with pytest.raises(UnknownDataSetError, match="'cifar'; did you mean 'cifar10'"):
        data.get("cifar")


def test_a_name_is_taken_once():
    with pytest.raises(DuplicateDataSetError, match="cifar10"):
        data.register(data.get("cifar10"))


def test_the_catalogue_needs_neither_torch_nor_a_http_client():
    code = """
import sys
from workers import data
data.missing(data.names())
print([m for m in ("torch", "sklearn", "httpx", "mnist1d") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
