"""Studies that ship with the service, one YAML file each: a title, a description and the study.

To add one, add a file; its name is the preset's.
"""

import textwrap
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from sys import maxsize
from typing import Any

from service.errors import NotFoundError
from service.search.model import StudyMode
from service.search.planning import resolve_any
from service.search.schemas import ANY_STUDY
from service.study_file import StudyFileError, parse
from workers import tasks
from workers.tasks import Task

SUFFIX = ".yaml"
STUDY = "\nstudy:\n"


@dataclass(frozen=True)
class Preset:
    """A study that is ready to be sent."""

    name: str
    title: str
    description: str
    study: dict[str, Any]
    """A request's body."""
    yaml: str
    """The study as a file that `lpwd submit` takes, comments included."""

    @property
    def task(self) -> Task:
        """What it trains."""
        return tasks.get(self.study["task"])

    @property
    def datasets(self) -> tuple[str, ...]:
        """Data sets that it needs, as `lpwd data` names them."""
        return self.task.datasets

    @property
    def data_here(self) -> bool:
        """Whether they are on this machine."""
        return self.task.here

    @property
    def mode(self) -> StudyMode:
        """Whether it is a grid or a search."""
        return StudyMode(self.study.get("mode", StudyMode.GRID))

    @property
    def trials(self) -> int:
        """Trials in its grid; of a search, at most."""
        request = ANY_STUDY.validate_python(self.study)
        return resolve_any(request, max_trials=maxsize, require_data=False).trial_count


@cache
def names() -> tuple[str, ...]:
    """Names of all presets, sorted."""
    here = files(__package__).iterdir()
    return tuple(sorted(one.name.removesuffix(SUFFIX) for one in here if one.name.endswith(SUFFIX)))


def get(name: str) -> Preset:
    """Return a preset.

    Raises:
        NotFoundError: There is none of that name; the message names those there are.
    """
    if name not in names():
        raise NotFoundError(f"there is no preset {name[:64]!r}; there are: {', '.join(names())}")
    return _read(name)


def everything() -> list[Preset]:
    """Return all presets, by name."""
    return [_read(name) for name in names()]


@cache
def _read(name: str) -> Preset:
    origin = name + SUFFIX
    text = (files(__package__) / origin).read_text(encoding="utf-8")
    found = parse(text, origin=origin)
    if found.keys() != {"title", "description", "study"} or STUDY not in text:
        raise StudyFileError(f"{origin} does not hold title, description and study")
    title, description = found["title"].strip(), found["description"].strip()
    about = "\n".join([title, "", *textwrap.wrap(description, 90)])
    study = textwrap.dedent(text.partition(STUDY)[2]).strip()
    yaml = textwrap.indent(about, "# ", lambda _: True).replace("# \n", "#\n") + f"\n{study}\n"
    return Preset(name, title, description, found["study"], yaml)
