"""Imports in JSON."""

from service.bodies import Answer


class ImportAnswer(Answer):
    """What an import did."""

    study_id: str
    """Where it is now: `/api/v1/studies/{study_id}`."""
    trials: int
    added: int
    """Trials that were not here."""
    completed: int
    """Trials that were here without a result, and have one now."""
    kept: int
    """Trials that had a result here already, which was kept."""
    conflicts: tuple[str, ...]
    """Keys of those of which the archive has another result."""
