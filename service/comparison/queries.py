"""Reading comparisons, through a cache."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from service.comparison.model import Comparison
from service.comparison.pairs import compare, reference_of
from service.events.repository import revision
from service.heatmaps.kept import Kept
from service.heatmaps.queries import DEFAULT_SPLIT, DEFAULT_TOLERANCE, ResultsCache
from service.studies.repository import load_spec


@dataclass(frozen=True)
class Comparisons:
    """Comparisons last looked at, by the study's last event."""

    results: ResultsCache
    _kept: Kept[Comparison]

    @classmethod
    def through(cls, results: ResultsCache, cells: int = 12_000) -> "Comparisons":
        """Read trials through `results`; keep comparisons of `cells` cells at most."""
        return cls(results, Kept(cells))

    def read(
        self,
        session: Session,
        study_id: str,
        reference: str | None = None,
        *,
        split: str = DEFAULT_SPLIT,
        tolerance: float = DEFAULT_TOLERANCE,
    ) -> Comparison:
        """Compare a study's optimizers with one of them, by its label, or the usual one.

        Raises:
            NotFoundError: There is no such study.
            ConflictError: It is a search.
            InvalidRequestError: It has no such optimizer, or only one.
        """
        spec = load_spec(session, study_id)
        chosen = reference_of(spec, reference)
        key = (study_id, chosen.label, split, tolerance, revision(session, study_id))
        found = self._kept.get(key)
        if found is None:
            layout = self.results.layout(session, study_id, spec)
            found = compare(spec, layout, reference=chosen, split=split, tolerance=tolerance)
            self._kept.put(key, found, sum(len(one.cells) for one in found.optimizers))
        return found
