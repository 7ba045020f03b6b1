"""The time that a study still takes."""

from service.db import utcnow
from service.db.tables.studies import StudyRow


def eta(study: StudyRow) -> float | None:
    """Return the seconds left as its runner last estimated them, less what has passed since.

    None where the runner has not told, or tells no more. A clock that leapt back since then makes
    it no longer.
    """
    now = utcnow()
    alive = study.lease_expires_at is not None and study.lease_expires_at > now
    if not alive or study.seconds_left is None or study.estimated_at is None:
        return None
    passed = max(0.0, (now - study.estimated_at).total_seconds())
    return max(0.0, study.seconds_left - passed)
