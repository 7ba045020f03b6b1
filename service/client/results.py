"""What came of a study: maps, tables, pictures."""

import os
from pathlib import Path
from typing import Any, Literal

from service.client.transport import Transport

FORMS = {
    "csv": "GET /studies/{study_id}/heatmap.csv",
    "json": "GET /studies/{study_id}/heatmap.json",
    "png": "GET /studies/{study_id}/heatmap.png",
    "svg": "GET /studies/{study_id}/heatmap.svg",
}
"""What a map can be saved as, and the operation that makes it."""
Split = Literal["test", "validation"]
Theme = Literal["light", "dark"]


class Results(Transport):
    """Reading and saving results."""

    def results(
        self, study_id: str, *, split: Split | None = None, tolerance: float | None = None
    ) -> dict[str, Any]:
        """Return a study's maps, robustness table and learning curves.

        Args:
            study_id: A grid.
            split: Which data the scores come from; by default ``test``. The best cell is chosen on
                validation in either case.
            tolerance: ε of the tolerance set, in the metric's own unit: 0.01 is a point.

        Raises:
            Conflict: It is a search, whose results `search` returns.
        """
        query = {"split": split, "tolerance": tolerance}
        answer = self._ask("GET /studies/{study_id}/heatmap.json", query=query, study_id=study_id)
        found: dict[str, Any] = answer.json()
        return found

    def robustness(
        self, study_id: str, *, split: Split | None = None, tolerance: float | None = None
    ) -> list[dict[str, Any]]:
        """Return one row an optimizer: best, where, tolerance width and area, diverged trials."""
        query = {"split": split, "tolerance": tolerance}
        answer = self._ask("GET /studies/{study_id}/robustness", query=query, study_id=study_id)
        found: list[dict[str, Any]] = answer.json()
        return found

    def export(
        self,
        study_id: str,
        to: str | os.PathLike[str],
        form: str | None = None,
        *,
        split: Split | None = None,
        tolerance: float | None = None,
        theme: Theme | None = None,
        scale: float | None = None,
    ) -> Path:
        """Save a study's maps as a file, which is there in full or not at all.

        Args:
            study_id: A grid.
            to: The file; one that is there is replaced.
            form: What to make of it; by default what the file's name ends in.
            split: Which data the scores come from; by default ``test``.
            tolerance: ε of the tolerance set, in the metric's own unit.
            theme: Colours of a picture.
            scale: Pixels a point, of a PNG.

        Returns:
            The file.

        Raises:
            ValueError: There is no such form.
        """
        operation = FORMS[form_of(to, form)]
        query = {"split": split, "tolerance": tolerance, "theme": theme, "scale": scale}
        return self._save(to, operation, query=query, study_id=study_id)


def form_of(to: str | os.PathLike[str], form: str | None) -> str:
    """Return the form of an export, from the file's name where none is given.

    Raises:
        ValueError: There is none of that name.
    """
    name = Path(to).name
    wanted = form or next((one for one in FORMS if name.endswith(f".{one}")), "")
    if wanted not in FORMS:
        raise ValueError(
            f"{form or name!r} is no form of export; there are {', '.join(sorted(FORMS))}"
        )
    return wanted
