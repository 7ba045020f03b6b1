"""Studies as files, to keep or to bring elsewhere."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from service.archive.schemas import ImportAnswer
from service.client.transport import Transport

PIECE = 256 * 1024
"""Bytes of an archive that are read at once."""


class Archives(Transport):
    """Taking studies from one installation to another."""

    def archive(self, study_id: str, to: str | os.PathLike[str]) -> Path:
        """Save a study that has ended, with its trials, curves and points, as one file.

        Raises:
            Conflict: It has not ended.
        """
        return self._save(to, "GET /studies/{study_id}/archive", study_id=study_id)

    def import_study(self, archive: str | os.PathLike[str]) -> ImportAnswer:
        """Add the study of an archive, with all that is known of it. For admins.

        Args:
            archive: A file that `archive` made, of whatever installation.

        Raises:
            Conflict: The study is here already.
            InvalidRequest: The file is no archive, or something in it makes no sense.
            OSError: The file cannot be read.
        """
        with Path(archive).open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            return self._read(
                ImportAnswer,
                "POST /studies/import",
                content=_Pieces(file),
                headers={"Content-Type": "application/zip", "Content-Length": str(length)},
            )


class _Pieces:
    """A file, a piece at a time; from its beginning whenever it is sent again."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        while piece := self._file.read(PIECE):
            yield piece
