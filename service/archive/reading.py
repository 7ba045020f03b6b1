"""Reading an archive, of which nothing is believed. Nothing is unpacked to a disk."""

import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from pydantic import ValidationError

from service.archive.errors import ArchiveRefusedError, ArchiveTooLargeError
from service.archive.model import (
    ARCHIVE,
    FORMAT,
    GRID_FILES,
    IMPORTANCES,
    POINTS,
    SEARCH_FILES,
    STUDY,
    TRIALS,
    VERSION,
    ImportanceRecord,
    Manifest,
    PointRecord,
    Record,
    StudyRecord,
    TrialRecord,
)

UNPACKED = 20
"""How many times its own size an archive may unpack to; text and scores do no better than ten."""
LEAST_UNPACKED = 1_000_000
"""Bytes that a small one may unpack to in any case."""
LONGEST_LINE = 20_000_000
"""Bytes of a trial with its curves; ten thousand epochs take 300 kB."""
ENCRYPTED = 0x1

Kind = TypeVar("Kind", bound=Record)


@dataclass(frozen=True)
class Archive:
    """What a file holds, each record by itself as it should be."""

    manifest: Manifest
    digest: str
    """SHA-256 of the file."""
    study: StudyRecord
    trials: tuple[TrialRecord, ...]
    points: tuple[PointRecord, ...]
    importances: tuple[ImportanceRecord, ...]


def read(path: Path, *, max_trials: int) -> Archive:
    """Read a file.

    Args:
        path: Where it is.
        max_trials: Trials, and points, that it may hold.

    Raises:
        ArchiveRefusedError: It is no archive of this format, was changed since it was written, or
            holds something malformed.
        ArchiveTooLargeError: It unpacks to too much.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        with ZipFile(path) as packed:
            reader = _Reader(packed, _most(path), max_trials)
            return reader.archive(digest)
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ArchiveRefusedError(f"not a whole zip file: {error}") from error
    except RecursionError as error:
        raise ArchiveRefusedError("nested far too deep") from error


def _most(path: Path) -> int:
    return max(UNPACKED * path.stat().st_size, LEAST_UNPACKED)


class _Reader:
    """Reads the files of a zip, counting what comes out of it, whatever it says of itself."""

    def __init__(self, packed: ZipFile, most: int, max_trials: int) -> None:
        self._packed = packed
        self._left = most
        self._max_trials = max_trials
        self._files = self._listed()
        self._hashes: dict[str, str] = {}

    def archive(self, digest: str) -> Archive:
        manifest = self._manifest()
        study = self._one(STUDY, StudyRecord)
        search = study.spec.get("mode") == "search"
        expected = SEARCH_FILES if search else GRID_FILES
        if set(manifest.files) != set(expected) or set(self._files) != {*expected, ARCHIVE}:
            raise ArchiveRefusedError(
                f"a {'search' if search else 'grid'} is made of {', '.join(expected)} and "
                f"{ARCHIVE}, not of {', '.join(sorted(self._files))[:200]}"
            )
        found = Archive(
            manifest,
            digest,
            study,
            self._many(TRIALS, TrialRecord),
            self._many(POINTS, PointRecord) if search else (),
            self._many(IMPORTANCES, ImportanceRecord) if search else (),
        )
        for name, expected_hash in manifest.files.items():
            if self._hashes[name] != expected_hash:
                raise ArchiveRefusedError(
                    f"{name} was changed or damaged since it was written: it hashes to "
                    f"{self._hashes[name]}, not to {expected_hash}"
                )
        return found

    def _listed(self) -> dict[str, ZipInfo]:
        found: dict[str, ZipInfo] = {}
        for info in self._packed.infolist():
            name = info.filename
            if name not in {*SEARCH_FILES, ARCHIVE} or name in found:
                raise ArchiveRefusedError(f"there is no place for a file {name[:80]!r} in it")
            if info.flag_bits & ENCRYPTED or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                raise ArchiveRefusedError(f"{name} is encrypted, or compressed in a way unknown")
            found[name] = info
        for name in (ARCHIVE, STUDY):
            if name not in found:
                raise ArchiveRefusedError(f"it has no {name}: not an archive of a study")
        return found

    def _manifest(self) -> Manifest:
        (line,) = self._whole(ARCHIVE)
        said = _parsed(line, ARCHIVE)
        version = said.get("version") if isinstance(said, dict) else None
        if isinstance(said, dict) and said.get("format") == FORMAT and version != VERSION:
            raise ArchiveRefusedError(
                f"it is of version {str(version)[:20]} of the format, and this lpwd reads "
                f"{VERSION}: import it with the lpwd that wrote it, or a newer one"
            )
        return _checked(Manifest, said, ARCHIVE)

    def _one(self, name: str, kind: type[Kind]) -> Kind:
        (line,) = self._whole(name)
        return _checked(kind, _parsed(line, name), name)

    def _whole(self, name: str) -> tuple[bytes]:
        return (b"".join(self._lines(name)),)

    def _many(self, name: str, kind: type[Kind]) -> tuple[Kind, ...]:
        if name not in self._files:
            raise ArchiveRefusedError(f"it has no {name}")
        found = []
        for number, line in enumerate(self._lines(name), start=1):
            if number > self._max_trials:
                raise ArchiveTooLargeError(
                    f"{name} has more than the {self._max_trials:,} lines this installation takes "
                    "(LPWD_MAX_TRIALS)"
                )
            place = f"{name}, line {number}"
            found.append(_checked(kind, _parsed(line, place), place))
        return tuple(found)

    def _lines(self, name: str) -> Iterator[bytes]:
        digest = hashlib.sha256()
        with self._packed.open(self._files[name]) as file:
            while line := self._line(file, name):
                digest.update(line)
                yield line
        self._hashes[name] = digest.hexdigest()

    def _line(self, file: IO[bytes], name: str) -> bytes:
        line = file.readline(min(LONGEST_LINE, self._left) + 1)
        self._left -= len(line)
        if self._left < 0 or len(line) > LONGEST_LINE:
            raise ArchiveTooLargeError(
                f"{name} unpacks to far more than an archive of its size does"
            )
        return line


def _parsed(line: bytes, place: str) -> object:
    try:
        said: object = json.loads(line, parse_constant=_no_number)
        again = json.dumps(said, ensure_ascii=False)
        again.encode()  # no half characters
        if "\\u0000" in again:
            raise ValueError("a zero character, which no database takes")
        return said
    except ValueError as error:
        raise ArchiveRefusedError(f"{place}: not JSON: {error}") from error


def _no_number(name: str) -> object:
    raise ValueError(f"{name} is no number in JSON")


def _checked(kind: type[Kind], said: object, place: str) -> Kind:
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(map(str, first["loc"]))
        raise ArchiveRefusedError(f"{place}: {path}: {first['msg']}"[:500]) from error
