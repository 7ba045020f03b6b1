"""Searches: points and what was found."""

import os
from collections.abc import Iterator
from pathlib import Path

from service.client.transport import Transport
from service.search.answers import PointAnswer, PointPage, PointWithScores, SearchAnswer
from workers.search.contracts import PointState


class Searches(Transport):
    """Reading searches. What is asked of a grid is a `Conflict`."""

    def search(self, study_id: str) -> SearchAnswer:
        """Return what a search found: for each optimizer the best point, and what mattered."""
        return self._read(SearchAnswer, "GET /studies/{study_id}/search", study_id=study_id)

    def points(
        self,
        study_id: str,
        *,
        optimizer: str | None = None,
        state: PointState | str | None = None,
        limit: int = 1000,
    ) -> Iterator[PointAnswer]:
        """Yield a search's points, in the order in which they were begun.

        Args:
            study_id: The search.
            optimizer: Only those of this label.
            state: Only those in this state.
            limit: Points to fetch at once.
        """
        return self._pages(
            PointPage,
            "GET /studies/{study_id}/points",
            by="offset",
            query={"optimizer": optimizer, "state": state, "limit": limit},
            study_id=study_id,
        )

    def point(self, study_id: str, optimizer: str, number: int) -> PointWithScores:
        """Return one point, with every seed's score after every epoch."""
        return self._read(
            PointWithScores,
            "GET /studies/{study_id}/points/{optimizer}/{number}",
            study_id=study_id,
            optimizer=optimizer,
            number=number,
        )

    def optuna_storage(self, study_id: str, to: str | os.PathLike[str]) -> Path:
        """Save the points as an Optuna storage, a SQLite file that optuna-dashboard opens."""
        return self._save(to, "GET /studies/{study_id}/optuna.db", study_id=study_id)
