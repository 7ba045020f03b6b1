"""Reading studies that are compared."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from service.comparison.studies import Across, Member, across, check
from service.heatmaps.queries import DEFAULT_SPLIT, DEFAULT_TOLERANCE, ResultsCache
from service.studies.queries import summary
from service.studies.repository import load_spec


def read_across(
    session: Session,
    results: ResultsCache,
    study_ids: Sequence[str],
    *,
    split: str = DEFAULT_SPLIT,
    tolerance: float = DEFAULT_TOLERANCE,
) -> Across:
    """Compare studies, the others with the first; one that is named twice counts once.

    Raises:
        NotFoundError: There is no such study.
        ConflictError: One is a search.
        InvalidRequestError: They are too few or too many, or of different tasks.
    """
    specs = {study_id: load_spec(session, study_id) for study_id in study_ids}
    check(specs)
    members = [
        Member(
            summary(session, study_id),
            spec,
            results.layout(session, study_id, spec),
            results.results(session, study_id, split=split, tolerance=tolerance),
        )
        for study_id, spec in specs.items()
    ]
    return across(members, split=split, tolerance=tolerance)
