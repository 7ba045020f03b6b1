"""What a data set declares, and whether it is here. Imports neither torch nor anything slow."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from workers.data import receipt


class Packing(StrEnum):
    """How a file that is fetched has to be unpacked."""

    NONE = "none"
    GZIP = "gzip"
    TAR = "tar"


@dataclass(frozen=True)
class Download:
    """One file to fetch."""

    url: str
    size: int
    """Bytes, for people: what is checked is the checksum."""
    checksum: str
    """``md5:`` or ``sha256:`` and hexadecimal digits; the first ones are enough."""
    packing: Packing = Packing.NONE
    path: str = ""
    """Where it goes, from the data set's folder; empty: there under its own name. A folder for
    what a tar archive holds."""

    @property
    def name(self) -> str:
        """Its name at the source."""
        return PurePosixPath(urlsplit(self.url).path).name


@dataclass(frozen=True)
class DataSet:
    """Data that tasks need: fetched, or part of an installed package."""

    name: str
    title: str
    licence: str
    source: str
    """Where to read about it."""
    downloads: tuple[Download, ...] = ()
    package: str = ""
    """Of a data set without downloads: what it comes with, as people call it."""
    module: str = ""
    """Python module of that package."""

    @property
    def download_bytes(self) -> int:
        """What fetching it moves."""
        return sum(download.size for download in self.downloads)

    def here(self, folder: Path) -> bool:
        """Tell whether it is there to be trained on; looks at names and sizes of files alone.

        Args:
            folder: Of all data sets, as `workers.data.folder` resolves it.
        """
        if self.module:
            return _importable(self.module)
        return receipt.holds(folder / self.name)


def _importable(module: str) -> bool:
    """Tell whether a module is installed, importing its parents alone."""
    parent, _, _ = module.rpartition(".")
    return (not parent or _importable(parent)) and find_spec(module) is not None


Progress = Callable[[Download, int, int], None]
"""Told of a file, how many of its bytes are here, and how many there are."""
