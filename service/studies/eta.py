"""The time that a study still takes."""

from service.db import utcnow
from service.db.tables.studies import StudyRow


def eta(study: StudyRow) -> float | None:
    """Return the seconds left as its runner last estimated them, less what has passed since.

    None where the runner has not told, or tells no more.
    """
    now = utcnow()
    alive = study.lease_expires_at is not None and study.lease_expires_at > now
    if not alive or study.seconds_left is None or study.estimated_at is None:
        return None
    return max(0.0, study.seconds_left - (now - study.estimated_at).total_seconds())
