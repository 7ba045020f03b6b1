"""Server-Sent Events: from lines to what changed in a study. Pure."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from service.client.errors import NotUnderstood

CHANGED, ENDED = "changed", "ended"


@dataclass(frozen=True)
class StudyEvent:
    """Something that changed in a study."""

    kind: str
    """``changed``, or ``ended``, which is the last."""
    id: str
    """The stream goes on after it, when it is handed back."""
    parts: tuple[str, ...]
    """What changed: ``header``, ``robustness``, ``panel:adamw``, …"""


def events(lines: Iterable[str]) -> Iterator[StudyEvent | None]:
    """Read a stream's lines; None stands for a sign of life.

    A last event that is cut off is dropped, as the standard has it: it is sent again.

    Raises:
        NotUnderstood: An event's data is not JSON.
    """
    kind, data, last = "", [], ""
    for line in lines:
        if line.startswith(":"):
            yield None
        elif line:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                kind = value
            elif field == "data":
                data.append(value)
            elif field == "id" and "\0" not in value:
                last = value
        else:
            if data:
                yield StudyEvent(kind or "message", last, _parts("\n".join(data)))
            kind, data = "", []


def _parts(text: str) -> tuple[str, ...]:
    try:
        found = json.loads(text)
        return tuple(found.get("parts", ()))
    except (ValueError, AttributeError, TypeError) as error:
        raise NotUnderstood(f"an event holds {text[:100]!r}, which is no list of parts") from error
