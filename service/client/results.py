"""What came of a study: maps, tables, comparisons, files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

from service.client.transport import Transport, parsed
from service.comparison.model import Comparison
from service.heatmaps.model import LearningCurve, RobustnessRow, StudyResults

What = Literal["heatmap", "difference", "trials", "report"]
EXPORTS = {
    "heatmap": {
        "csv": "GET /studies/{study_id}/heatmap.csv",
        "json": "GET /studies/{study_id}/heatmap.json",
        "parquet": "GET /studies/{study_id}/heatmap.parquet",
        "pdf": "GET /studies/{study_id}/heatmap.pdf",
        "png": "GET /studies/{study_id}/heatmap.png",
        "svg": "GET /studies/{study_id}/heatmap.svg",
        "vl.json": "GET /studies/{study_id}/heatmap.vl.json",
    },
    "difference": {
        "csv": "GET /studies/{study_id}/difference.csv",
        "json": "GET /studies/{study_id}/difference.json",
        "pdf": "GET /studies/{study_id}/difference.pdf",
        "png": "GET /studies/{study_id}/difference.png",
        "svg": "GET /studies/{study_id}/difference.svg",
        "vl.json": "GET /studies/{study_id}/difference.vl.json",
    },
    "trials": {
        "csv": "GET /studies/{study_id}/trials.csv",
        "parquet": "GET /studies/{study_id}/trials.parquet",
    },
    "report": {
        "html": "GET /studies/{study_id}/report.html",
        "md": "GET /studies/{study_id}/report.md",
        "tex": "GET /studies/{study_id}/report.tex",
    },
}
"""What may be saved, in which forms, and the operation that makes each."""
ACROSS = {".png": "GET /compare.png", ".svg": "GET /compare.svg"}
FORMS = tuple(EXPORTS["heatmap"])
"""Of maps; others have some of these."""
Split = Literal["test", "validation"]
Theme = Literal["light", "dark"]
Record = TypeVar("Record", StudyResults, Comparison)


class Results(Transport):
    """Reading and saving results. Of a search, most of this is a `Conflict`."""

    def results(
        self, study_id: str, *, split: Split | None = None, tolerance: float | None = None
    ) -> StudyResults:
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
        return parsed(lambda _: _with_cells(StudyResults, answer.json(), "heatmaps"), answer)

    def robustness(
        self, study_id: str, *, split: Split | None = None, tolerance: float | None = None
    ) -> list[RobustnessRow]:
        """Return one row an optimizer: best, where, tolerance width and area, diverged trials.

        Args:
            study_id: A grid.
            split: Which data the scores come from; by default ``test``.
            tolerance: ε of the tolerance set, in the metric's own unit.
        """
        query = {"split": split, "tolerance": tolerance}
        answer = self._ask("GET /studies/{study_id}/robustness", query=query, study_id=study_id)
        return parsed(TypeAdapter(list[RobustnessRow]).validate_json, answer)

    def curves(
        self, study_id: str, *, split: Split | None = None, tolerance: float | None = None
    ) -> list[LearningCurve]:
        """Return the learning curve of each optimizer's best cell, its mean and interval.

        Args:
            study_id: A grid.
            split: Which data the scores come from; by default ``test``.
            tolerance: ε of the tolerance set, in the metric's own unit.
        """
        query = {"split": split, "tolerance": tolerance}
        answer = self._ask("GET /studies/{study_id}/curves", query=query, study_id=study_id)
        return parsed(TypeAdapter(list[LearningCurve]).validate_json, answer)

    def comparison(
        self,
        study_id: str,
        *,
        reference: str | None = None,
        split: Split | None = None,
        tolerance: float | None = None,
    ) -> Comparison:
        """Compare a study's optimizers with one of them: each cell, and best, width and area.

        Differences are paired, over shared seeds; below six seeds nothing is significant.

        Args:
            study_id: A grid.
            reference: Label of what the others are compared with; by default a baseline.
            split: Which data the scores come from; by default ``test``.
            tolerance: ε of the tolerance set, in the metric's own unit.
        """
        query = {"reference": reference, "split": split, "tolerance": tolerance}
        answer = self._ask("GET /studies/{study_id}/comparison", query=query, study_id=study_id)
        return parsed(lambda _: _with_cells(Comparison, answer.json(), "optimizers"), answer)

    def compare(
        self,
        study_ids: Sequence[str],
        *,
        split: Split | None = None,
        tolerance: float | None = None,
    ) -> dict[str, Any]:
        """Compare studies of one task: side by side, what differs, and the differences.

        Args:
            study_ids: From two to ten grids; the others are compared with the first.
            split: Which data the scores come from; by default ``test``.
            tolerance: ε of the tolerance set, in the metric's own unit.

        Returns:
            `studies` with their robustness rows, `distinctions`, and under `comparison` what
            `comparison` returns, over all that is shared; None where nothing is.
        """
        query = {"study": list(study_ids), "split": split, "tolerance": tolerance}
        answer = self._ask("GET /compare", query=query)

        def read(_: bytes) -> dict[str, Any]:
            found: dict[str, Any] = answer.json()
            adapter = TypeAdapter(list[RobustnessRow])
            for study in found["studies"]:
                study["robustness"] = adapter.validate_python(study["robustness"])
            if found["comparison"] is not None:
                found["comparison"] = _with_cells(Comparison, found["comparison"], "optimizers")
            return found

        return parsed(read, answer)

    def export_comparison(
        self,
        study_ids: Sequence[str],
        to: str | os.PathLike[str],
        *,
        split: Split | None = None,
        tolerance: float | None = None,
        theme: Theme | None = None,
        scale: float | None = None,
    ) -> Path:
        """Save the differences between studies as one figure.

        Args:
            study_ids: From two to ten grids; the others are compared with the first.
            to: The file, in .svg or .png.
            split: Which data the scores come from; by default ``test``.
            tolerance: ε of the tolerance set, in the metric's own unit.
            theme: Colours of the picture.
            scale: Pixels a point, of a PNG.

        Raises:
            ValueError: The file's name ends in something else.
            InvalidRequest: The studies share nothing.
        """
        operation = ACROSS.get(Path(to).suffix)
        if operation is None:
            raise ValueError(f"{Path(to).name!r} is no picture; name a file in .svg or .png")
        query = {
            "study": list(study_ids),
            "split": split,
            "tolerance": tolerance,
            "theme": theme,
            "scale": scale,
        }
        return self._save(to, operation, query=query)

    def manifest(self, study_id: str) -> dict[str, Any]:
        """Return what it takes to check a study, or to repeat it.

        Versions, the study in full, devices, seeds, data sets, every trial, and a hash of the
        results.
        """
        found: dict[str, Any] = self._ask(
            "GET /studies/{study_id}/manifest", study_id=study_id
        ).json()
        return found

    def export(
        self,
        study_id: str,
        to: str | os.PathLike[str],
        form: str | None = None,
        *,
        what: What = "heatmap",
        reference: str | None = None,
        split: Split | None = None,
        tolerance: float | None = None,
        theme: Theme | None = None,
        scale: float | None = None,
    ) -> Path:
        """Save a study's maps, trials or a report as a file, there in full or not at all.

        Args:
            study_id: The study.
            to: The file; one that is there is replaced.
            form: What to make of it; by default what the file's name ends in.
            what: ``heatmap``, ``difference``, ``trials`` or ``report``.
            reference: Of a difference or report: label of what the others are compared with.
            split: Which data the scores come from; by default ``test``.
            tolerance: ε of the tolerance set, in the metric's own unit.
            theme: Colours of a picture.
            scale: Pixels a point, of a PNG.

        Returns:
            The file.

        Raises:
            ValueError: There is no such form.
            InvalidRequest: An option has nothing to do with the form.
        """
        operation = EXPORTS[what][form_of(to, form, what)]
        query = {
            "reference": reference,
            "split": split,
            "tolerance": tolerance,
            "theme": theme,
            "scale": scale,
        }
        return self._save(to, operation, query=query, study_id=study_id)


def form_of(to: str | os.PathLike[str], form: str | None, what: What = "heatmap") -> str:
    """Return the form of an export, from the file's name where none is given.

    Raises:
        ValueError: There is none of that name.
    """
    forms = EXPORTS[what]
    name = Path(to).name
    ending = next((one for one in sorted(forms, key=len)[::-1] if name.endswith(f".{one}")), "")
    wanted = form or ending
    if wanted not in forms:
        raise ValueError(f"{form or name!r} is no form of {what}; there are {', '.join(forms)}")
    return wanted


def _with_cells(record: type[Record], data: dict[str, Any], place: str) -> Record:
    """Read a record whose maps came with their cells in a list."""
    for one in data[place]:
        one["cells"] = {
            (cell["learning_rate"], cell["weight_decay"]): cell for cell in one["cells"]
        }
    return TypeAdapter(record).validate_python(data)
