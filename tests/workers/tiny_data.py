"""Small data sets in the formats of the real ones, and the tasks that train on them quickly."""

import gzip
import hashlib
import io
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.io import savemat
from torch import nn
from torch.nn import functional
from torchvision.models import convnext_tiny, swin_t
from torchvision.models.convnext import CNBlock
from torchvision.models.swin_transformer import SwinTransformerBlock

from workers import data, tasks
from workers.data.dataset import DataSet
from workers.data.fetch import fetch
from workers.tasks import (
    Splits,
    Task,
    cifar10_convnext_tiny,
    cifar10_resnet18,
    cifar10_resnet20,
    cifar100_resnet18,
    cifar100_swin_tiny,
    pydoc_charlm,
    svhn_cnn,
)

TRAIN, TEST, CLASSES = 120, 40, 10
FEW = 16
NAMES = tuple(one.name for one in data.datasets() if one.downloads)


def tiny_datasets(folder: Path, names: tuple[str, ...] = NAMES) -> None:
    """Lay out small data sets as `lpwd data fetch` lays out the real ones.

    120 training and 40 test images each, of ten classes that brightness tells apart; of weights,
    what a model begins with. Weights are as large as the real ones.
    """
    for name in names:
        pack(name, folder)
        fetch(small(name, folder), folder, mirror=None, progress=lambda *_: None)


def pack(name: str, folder: Path) -> None:
    """Write a small data set's files, packed as at the source, into `folder/name`."""
    root = folder / name
    root.mkdir(parents=True, exist_ok=True)
    for file, content in WRITERS[name]().items():
        (root / file).write_bytes(content)


def small(name: str, folder: Path) -> DataSet:
    """Return a data set's record with sizes and checksums of the files in `folder/name`."""
    record = data.get(name)

    def measured(download):
        content = (folder / name / download.name).read_bytes()
        checksum = f"md5:{hashlib.md5(content).hexdigest()}"
        return replace(download, size=len(content), checksum=checksum)

    return replace(record, downloads=tuple(map(measured, record.downloads)))


def tiny_tasks() -> tuple[Task, ...]:
    """Return every task, large models with small images."""
    return _with_problems(
        {
            "cifar10-convnext-tiny": "CONVNEXT",
            "cifar100-swin-tiny": "SWIN",
            "cifar10-resnet18": "RESNET18",
            "cifar100-resnet18": "RESNET18_OF_100",
            "cifar10-resnet20": "RESNET20",
        }
    )


def tiniest_tasks() -> tuple[Task, ...]:
    """Return every task, large models with few small examples: they are soon through an epoch.

    Models that repeat a block many times do so less often: tracing each takes long.
    """
    return _with_problems(
        {
            "cifar10-convnext-tiny": "FEW_CONVNEXT",
            "cifar100-swin-tiny": "FEW_SWIN",
            "cifar10-resnet18": "FEW_RESNET18",
            "cifar100-resnet18": "FEW_RESNET18_OF_100",
            "cifar10-resnet20": "FEW_RESNET20",
            "svhn-cnn": "FEW_SVHN",
            "pydoc-charlm": "FEW_CHARLM",
        }
    )


def _with_problems(problems):
    """Return every task, some with a problem of this module."""

    def problem(task):
        return f"{__name__}:{problems[task.name]}" if task.name in problems else task.problem

    return tuple(replace(task, problem=problem(task)) for task in tasks.tasks())


def _few(problem, count=FEW):
    """Return the problem with so few examples in every split."""

    def load(seed):
        splits = problem.load(seed)
        parts = (splits.train, splits.validation, splits.test)
        return Splits(*((inputs[:count], targets[:count]) for inputs, targets in parts))

    return replace(problem, load=load)


def _shrunk(problem):
    """Return the problem with images of a quarter of their height and width."""
    prepare = problem.prepare
    return replace(problem, prepare=lambda batch: functional.avg_pool2d(prepare(batch), 4))


def _shallow(problem, blocks):
    """Return the problem with so many blocks in each of the model's stages, at most."""

    def model():
        made = problem.model()
        for place, stage in enumerate(made.features):
            if isinstance(stage, nn.Sequential) and isinstance(stage[0], REPEATED):
                made.features[place] = stage[:blocks]
        return made

    return replace(problem, model=model)


REPEATED = (CNBlock, SwinTransformerBlock)
RESNET18 = _shrunk(cifar10_resnet18.PROBLEM)
RESNET18_OF_100 = _shrunk(cifar100_resnet18.PROBLEM)
RESNET20 = _shrunk(cifar10_resnet20.PROBLEM)
CONVNEXT = cifar10_convnext_tiny.problem_at(resolution=32)
SWIN = cifar100_swin_tiny.problem_at(resolution=32)
FEW_RESNET18 = _few(RESNET18)
FEW_RESNET18_OF_100 = _few(RESNET18_OF_100)
FEW_RESNET20 = _few(RESNET20)
FEW_CONVNEXT = _few(_shallow(CONVNEXT, blocks=1))
FEW_SWIN = _few(_shallow(SWIN, blocks=2))  # one of them with a shifted window
FEW_SVHN = _few(svhn_cnn.PROBLEM)
FEW_CHARLM = _few(pydoc_charlm.PROBLEM)


def _examples(count, shape, seed):
    """Images of which the brightness grows with the class, and their classes in turn."""
    labels = np.arange(count) % CLASSES
    noise = np.random.default_rng(seed).integers(0, 30, (count, *shape))
    return (noise + 20 * labels.reshape(-1, *[1] * len(shape))).astype(np.uint8), labels


def _idx(array):
    """The format of MNIST: type and number of dimensions, sizes, bytes."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(head + array.astype(np.uint8).tobytes(), mtime=0)


def _mnist():
    files = {}
    for seed, (split, count) in enumerate((("train", TRAIN), ("t10k", TEST))):
        images, labels = _examples(count, (28, 28), seed)
        files[f"{split}-images-idx3-ubyte.gz"] = _idx(images)
        files[f"{split}-labels-idx1-ubyte.gz"] = _idx(labels)
    return files


def _cifar_batch(count, seed, key):
    images, labels = _examples(count, (3, 32, 32), seed)
    return {"data": images.reshape(count, -1), key: labels.tolist()}


def _tar(folder, members):
    """Pack files, to the same bytes whenever it is done."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for name, content in members.items():
            pickled = pickle.dumps(content)
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(pickled)
            archive.addfile(info, io.BytesIO(pickled))
    return packed.getvalue()


def _cifar10():
    members = {f"data_batch_{i}": _cifar_batch(TRAIN // 5, i, "labels") for i in range(1, 6)}
    members["test_batch"] = _cifar_batch(TEST, 6, "labels")
    members["batches.meta"] = {"label_names": [str(i) for i in range(10)]}
    return {"cifar-10-python.tar.gz": _tar("cifar-10-batches-py", members)}


def _cifar100():
    members = {
        "train": _cifar_batch(TRAIN, 7, "fine_labels"),
        "test": _cifar_batch(TEST, 8, "fine_labels"),
        "meta": {"fine_label_names": [str(i) for i in range(100)]},
    }
    return {"cifar-100-python.tar.gz": _tar("cifar-100-python", members)}


def _svhn():
    files = {}
    for seed, (split, count) in enumerate((("train", TRAIN), ("test", TEST))):
        images, labels = _examples(count, (3, 32, 32), seed)
        written = io.BytesIO()
        # Images come last in both, and the digit 0 is labelled 10.
        savemat(
            written, {"X": images.transpose(2, 3, 1, 0), "y": np.where(labels, labels, 10)[:, None]}
        )
        files[f"{split}_32x32.mat"] = written.getvalue()
    return files


def _weights(name, build):
    def write():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            written = io.BytesIO()
            torch.save(build().state_dict(), written)
        (download,) = data.get(name).downloads
        return {download.name: written.getvalue()}

    return write


WRITERS = {
    "mnist": _mnist,
    "fashion-mnist": _mnist,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "svhn": _svhn,
    "convnext-tiny-imagenet": _weights("convnext-tiny-imagenet", convnext_tiny),
    "swin-tiny-imagenet": _weights("swin-tiny-imagenet", swin_t),
}
