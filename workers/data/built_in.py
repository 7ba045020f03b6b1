"""The records of our own data sets. Checksums are those that torchvision checks."""

from workers.data.dataset import DataSet, Download, Packing


def _idx(base: str, folder: str, files: tuple[tuple[str, int, str], ...]) -> tuple[Download, ...]:
    """Return gzipped files in the format of MNIST, which torchvision reads from `folder`."""
    return tuple(
        Download(f"{base}{name}.gz", size, f"md5:{md5}", Packing.GZIP, path=f"{folder}/raw/{name}")
        for name, size, md5 in files
    )


BUILT_IN = (
    DataSet(
        name="digits",
        title="Optical recognition of handwritten digits",
        licence="CC BY 4.0",
        source="https://doi.org/10.24432/C50P49",
        package="scikit-learn",
        module="sklearn",
    ),
    DataSet(
        name="breast-cancer",
        title="Breast Cancer Wisconsin (Diagnostic)",
        licence="CC BY 4.0",
        source="https://doi.org/10.24432/C5DW2B",
        package="scikit-learn",
        module="sklearn",
    ),
    DataSet(
        name="mnist1d",
        title="MNIST-1D",
        licence="Apache-2.0",
        source="https://github.com/greydanus/mnist1d",
        package="mnist1d",
        module="mnist1d",
    ),
    DataSet(
        name="pydoc",
        title="Documentation of this Python",
        licence="PSF-2.0",
        source="https://docs.python.org/3/reference/",
        package="CPython",
        module="pydoc_data.topics",
    ),
    DataSet(
        name="mnist",
        title="MNIST",
        licence="CC BY-SA 3.0",
        source="http://yann.lecun.com/exdb/mnist/",
        downloads=_idx(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "MNIST",
            (
                ("train-images-idx3-ubyte", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
                ("train-labels-idx1-ubyte", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
                ("t10k-images-idx3-ubyte", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
                ("t10k-labels-idx1-ubyte", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
            ),
        ),
    ),
    DataSet(
        name="fashion-mnist",
        title="Fashion-MNIST",
        licence="MIT",
        source="https://github.com/zalandoresearch/fashion-mnist",
        downloads=_idx(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "FashionMNIST",
            (
                ("train-images-idx3-ubyte", 26_421_880, "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
                ("train-labels-idx1-ubyte", 29_515, "25c81989df183df01b3e8a0aad5dffbe"),
                ("t10k-images-idx3-ubyte", 4_422_102, "bef4ecab320f06d8554ea6380940ec79"),
                ("t10k-labels-idx1-ubyte", 5_148, "bb300cfdad3c16e7a12a480ee83cd310"),
            ),
        ),
    ),
    DataSet(
        name="cifar10",
        title="CIFAR-10",
        licence="none stated",
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        downloads=(
            Download(
                "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                170_498_071,
                "md5:c58f30108f718f92721af3b95e74349a",
                Packing.TAR,
            ),
        ),
    ),
    DataSet(
        name="cifar100",
        title="CIFAR-100",
        licence="none stated",
        source="https://www.cs.toronto.edu/~kriz/cifar.html",
        downloads=(
            Download(
                "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
                169_001_437,
                "md5:eb9058c3a382ffc7106e4002c42a8d85",
                Packing.TAR,
            ),
        ),
    ),
    DataSet(
        name="svhn",
        title="Street View House Numbers, cropped digits",
        licence="non-commercial use only",
        source="http://ufldl.stanford.edu/housenumbers/",
        downloads=(
            Download(
                "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
                182_040_794,
                "md5:e26dedcc434d2e4c54c9b2d4a06d8373",
            ),
            Download(
                "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
                64_275_384,
                "md5:eb5a983be6a315427106f1b164d9cef3",
            ),
        ),
    ),
    DataSet(
        name="convnext-tiny-imagenet",
        title="ConvNeXt-Tiny weights, trained on ImageNet-1k",
        licence="BSD-3-Clause; ImageNet: research only",
        source="https://pytorch.org/vision/stable/models/convnext.html",
        downloads=(
            Download(
                "https://download.pytorch.org/models/convnext_tiny-983f1562.pth",
                114_419_564,
                "sha256:983f1562",
            ),
        ),
    ),
    DataSet(
        name="swin-tiny-imagenet",
        title="Swin-Tiny weights, trained on ImageNet-1k",
        licence="BSD-3-Clause; ImageNet: research only",
        source="https://pytorch.org/vision/stable/models/swin_transformer.html",
        downloads=(
            Download(
                "https://download.pytorch.org/models/swin_t-704ceda3.pth",
                113_445_437,
                "sha256:704ceda3",
            ),
        ),
    ),
)
