"""Presets in JSON."""

from typing import Any

from service.studies.schemas import Answer


class PresetAnswer(Answer):
    """A study that is ready to be sent."""

    name: str
    title: str
    description: str
    trials: int
    datasets: tuple[str, ...]
    """Data sets that it needs; `lpwd data fetch NAME` brings one."""
    data_here: bool
    """Whether they are where the service runs."""
    study: dict[str, Any]
    """The body to send to `POST /api/v1/studies`."""
