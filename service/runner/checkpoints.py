"""Checkpoints of running packs on disk, so that neither a lost worker nor a lost runner costs more
than the time since the last one."""

import hashlib
import logging
import os
import shutil
import zipfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.npyio import NpzFile

from workers.contracts import CURVES

logger = logging.getLogger(__name__)

SUFFIX = ".npz"
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What numpy raises about a file that is none of its own, or broken."""


@dataclass(frozen=True)
class Saved:
    """A pack's checkpoint, and what it had told until then."""

    path: Path
    keys: tuple[str, ...]
    """Of its trials, in the order in which they train."""
    closed: frozenset[int]
    """Positions of trials that had an outcome already, or whose outcome was not wanted."""
    curves: npt.NDArray[np.float32]
    """(epochs so far, trials, len(CURVES))."""

    def state(self) -> bytes:
        """Read what the worker goes on from.

        Raises:
            OSError: The file is gone or broken; or another of `UNREADABLE`.
        """
        with _opened(self.path) as file:
            state: bytes = file["state"].tobytes()
            return state


class Checkpoints:
    """A folder for each study, a file for each pack, the newest checkpoint in it.

    A file that cannot be read is no loss: it is removed, and its pack begins anew. Files hold
    arrays of numbers only, and reading one runs nothing that is in it.
    """

    def __init__(self, folder: Path, *, most_bytes: int) -> None:
        """Keep them in `folder`, as long as they take no more than `most_bytes` together."""
        self._folder = folder
        self._most_bytes = most_bytes

    def save(
        self,
        study_id: str,
        keys: Sequence[str],
        closed: Collection[int],
        curves: npt.NDArray[np.float32],
        state: bytes,
    ) -> bool:
        """Keep a pack's newest checkpoint instead of its last; all of it or nothing.

        Args:
            study_id: Whose pack it is.
            keys: Of its trials, in their order.
            closed: Positions of those that have an outcome, or whose outcome is not wanted.
            curves: (epochs so far, trials, len(CURVES)).
            state: What the worker goes on from.

        Returns:
            Whether it is kept: there may be no room.
        """
        path = self._path(study_id, keys)
        used = sum(size for other, size in self._files() if other != path)
        if used + len(state) + curves.nbytes > self._most_bytes:
            logger.warning(
                "a checkpoint of %d MB is not kept: with the others it takes more than "
                "LPWD_CHECKPOINT_BYTES allows",
                len(state) // 10**6,
            )
            return False
        unfinished = path.with_suffix(".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                np.savez(
                    file,
                    keys=np.array(keys, dtype="S"),
                    closed=np.array(sorted(closed), dtype=np.int64),
                    curves=curves,
                    state=np.frombuffer(state, dtype=np.uint8),
                )
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            logger.warning("a checkpoint cannot be kept: %s", error)
            with suppress(OSError):  # it may not even have been made; the study's end removes it
                unfinished.unlink()
            return False
        return True

    def load(self, study_id: str) -> list[Saved]:
        """Return a study's checkpoints; those that cannot be read are removed."""
        found = []
        for path in self._of(study_id):
            try:
                found.append(_read(path))
            except UNREADABLE as error:
                logger.warning("checkpoint %s is ignored: %s", path, error)
                path.unlink(missing_ok=True)
        return found

    def remove(self, study_id: str, keys: Sequence[str]) -> None:
        """Remove a pack's checkpoint, if there is one."""
        self._path(study_id, keys).unlink(missing_ok=True)

    def studies(self) -> list[str]:
        """Return the ids of the studies that have a folder."""
        if not self._folder.is_dir():
            return []
        return sorted(path.name for path in self._folder.iterdir() if path.is_dir())

    def forget(self, study_ids: Collection[str]) -> None:
        """Remove everything of these studies."""
        for study_id in study_ids:
            shutil.rmtree(self._folder / study_id, ignore_errors=True)

    def _path(self, study_id: str, keys: Sequence[str]) -> Path:
        name = hashlib.sha256("".join(keys).encode()).hexdigest()[:32]
        return self._folder / study_id / f"{name}{SUFFIX}"

    def _of(self, study_id: str) -> list[Path]:
        """Return a study's files, none where another runner has just removed its folder."""
        with suppress(FileNotFoundError):
            return sorted((self._folder / study_id).glob(f"*{SUFFIX}"))
        return []

    def _files(self) -> Iterator[tuple[Path, int]]:
        for study_id in self.studies():
            for path in self._of(study_id):
                with suppress(FileNotFoundError):  # likewise
                    yield path, path.stat().st_size


@contextmanager
def _opened(path: Path) -> Iterator[NpzFile]:
    with path.open("rb") as stream:
        found = np.load(stream, allow_pickle=False)
        if not isinstance(found, NpzFile):
            raise ValueError("it is a single array")
        yield found


def _read(path: Path) -> Saved:
    with _opened(path) as file:
        keys = tuple(key.decode("ascii") for key in file["keys"].tolist())
        closed, curves = frozenset(file["closed"].tolist()), file["curves"]
        if "state" not in file:
            raise ValueError("it holds no state")
    if curves.dtype != np.float32 or curves.shape[1:] != (len(keys), len(CURVES)):
        raise ValueError(f"its curves are {curves.dtype} of shape {curves.shape}")
    if not len(curves) or not closed < set(range(len(keys))):
        raise ValueError("it is from before the first epoch, or has no open trial")
    return Saved(path, keys, closed, curves)
