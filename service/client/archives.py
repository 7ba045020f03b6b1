"""Studies as files, to keep or to bring elsewhere."""

import os
from pathlib import Path

from service.archive.schemas import ImportAnswer
from service.client.transport import Transport


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
        return self._read(
            ImportAnswer,
            "POST /studies/import",
            content=Path(archive).read_bytes(),
            headers={"Content-Type": "application/zip"},
        )
