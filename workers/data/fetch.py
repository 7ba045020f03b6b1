"""Fetch a data set: download what is missing, check it, unpack it, and only then say it is here."""

import fcntl
import gzip
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from workers.data import receipt
from workers.data.dataset import DataSet, Download, Packing, Progress
from workers.errors import FetchError

CHUNK = 1 << 20
TIMEOUT = 30.0
"""Seconds without a byte after which a source is given up."""


def fetch(dataset: DataSet, folder: Path, *, mirror: str | None, progress: Progress) -> bool:
    """Bring a data set here; returns False where it was here already.

    A file that is in the data set's folder already, put there by hand, is not downloaded but
    checked like any other. A download that broke off goes on where it was.

    Args:
        dataset: What to fetch.
        folder: Of all data sets.
        mirror: Where to fetch from instead of the source: the address below which the files lie
            as ``<data set>/<file>``.
        progress: Told of every piece.

    Raises:
        FetchError: The source does not answer, a checksum is wrong, there is no room, or another
            process is fetching the same.
    """
    if dataset.here(folder):
        return False
    if not dataset.downloads:
        raise FetchError(
            f"{dataset.name} is not downloaded: it comes with {dataset.package}, which is not "
            "complete here; install it"
        )
    root = folder / dataset.name
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _alone(root):
            for download in dataset.downloads:
                _obtain(dataset, download, root, mirror, progress)
            files = [file for one in dataset.downloads for file in _unpack(one, root)]
            receipt.write(root, files, {one.name: one.checksum for one in dataset.downloads})
            for download in dataset.downloads:
                if download.packing is not Packing.NONE:
                    (root / download.name).unlink()
    except (OSError, EOFError, tarfile.TarError) as error:
        raise FetchError(f"{dataset.name} cannot be kept in {root}: {error}") from error
    return True


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Keep other processes from fetching into the same folder."""
    with (root / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FetchError(f"another process is fetching into {root}; wait for it") from error
        yield


def _obtain(
    dataset: DataSet, download: Download, root: Path, mirror: str | None, progress: Progress
) -> None:
    """Make sure that a file is in the folder and is the right one."""
    path = root / download.name
    if path.exists():
        _check(download, path, f"it was put there before; remove it and run `{_again(dataset)}`")
        progress(download, download.size, download.size)
        return
    part = root / f"{download.name}.part"
    url = f"{mirror.rstrip('/')}/{dataset.name}/{download.name}" if mirror else download.url
    try:
        _download(download, url, part, progress)
    except httpx.HTTPError as error:
        kept = f"; {part.stat().st_size:,} bytes of it are kept" if part.exists() else ""
        absent = [one.name for one in dataset.downloads if not (root / one.name).exists()]
        raise FetchError(
            f"cannot fetch {url} ({_reason(error)}){kept}. Try again, name a mirror with --mirror, "
            f"or put {', '.join(absent)} into {root} by hand and run `{_again(dataset)}`"
        ) from error
    except httpx.InvalidURL as error:
        raise FetchError(f"{url} is no address to fetch from: {error}") from error
    try:
        _check(download, part, f"{url} does not hold what is wanted; try again, or --mirror")
    except FetchError:
        part.unlink()
        raise
    os.replace(part, path)


def _download(download: Download, url: str, part: Path, progress: Progress) -> None:
    """Download into `part`, behind what is there."""
    begun = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={begun}-"} if begun else {}
    # Bytes as they are stored: a server's compression would spoil lengths and ranges.
    headers["Accept-Encoding"] = "identity"
    with httpx.stream("GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True) as found:
        if found.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it is there; its checksum will tell
        found.raise_for_status()
        resumed = found.status_code == httpx.codes.PARTIAL_CONTENT
        have = begun if resumed else 0
        total = have + int(found.headers.get("Content-Length", download.size - have))
        with part.open("ab" if resumed else "wb") as file:
            for piece in found.iter_raw():  # as they come, so that none is lost
                file.write(piece)
                have += len(piece)
                progress(download, have, total)


def _check(download: Download, path: Path, way_out: str) -> None:
    """Raise `FetchError` unless a file has the checksum it should have."""
    algorithm, _, expected = download.checksum.partition(":")
    with path.open("rb") as file:
        # md5 where that is what the source publishes: against accidents, as torchvision uses it.
        found = hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()
    if not found.startswith(expected):
        raise FetchError(
            f"{path} has {algorithm} {found}, {download.name} should have {expected}: {way_out}"
        )


def _unpack(download: Download, root: Path) -> list[Path]:
    """Unpack a file where it belongs; returns what came of it."""
    source, target = root / download.name, root / download.path
    match download.packing:
        case Packing.NONE:
            return [source]
        case Packing.GZIP:
            target.parent.mkdir(parents=True, exist_ok=True)
            with gzip.open(source) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file, CHUNK)
            return [target]
        case Packing.TAR:
            return list(_untar(source, target))


def _untar(source: Path, target: Path) -> Iterator[Path]:
    """Unpack the ordinary files of an archive, none of them outside the folder."""
    with tarfile.open(source) as archive:
        for member in archive:
            packed = archive.extractfile(member) if member.isfile() else None
            if packed is None:
                continue
            path = target / member.name
            if not path.resolve().is_relative_to(target.resolve()):
                raise FetchError(f"{source} would write outside its folder: {member.name}")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(packed, file, CHUNK)
            yield path


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__


def _again(dataset: DataSet) -> str:
    return f"lpwd data fetch {dataset.name}"
