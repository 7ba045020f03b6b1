"""Studies that ship with the service, one YAML file each."""

from importlib.resources import files
from typing import Any

from service.study_file import parse


def load(name: str) -> dict[str, Any]:
    """Return a preset as a request's body."""
    return parse((files(__package__) / f"{name}.yaml").read_text(), origin=f"{name}.yaml")
