"""Logs, on standard error: one line an event, for people or as JSON, without secrets.

Everything that is logged in a process, by whatever library, goes through one formatter. What is
bound with `structlog.contextvars` (a request's id, a study's) is on every line meanwhile.
"""

import json
import logging
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from service.secrecy import hide, hide_in

ACCESS = "lpwd.access"
"""Logger of requests."""
NOT_OURS = ("httpx", "httpcore", "alembic", "uvicorn.error", "asyncio", "ray")
"""Loggers of which only warnings matter, unless details are wanted."""
SILENT = ("uvicorn.access",)
"""Loggers that say what we say ourselves."""


def configure(*, level: str = "info", form: str = "text", verbose: bool = False) -> None:
    """Log what matters to whoever runs the service.

    Args:
        level: What is less important is left out: ``debug``, ``info``, ``warning`` or ``error``.
        form: ``text`` or ``json``.
        verbose: Whether to add details, of libraries too, whatever the level.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(form, colours=sys.stderr.isatty()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.DEBUG if verbose else level.upper())
    for name in NOT_OURS:
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.WARNING)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    adopt()


def adopt() -> None:
    """Have libraries that bring handlers of their own log as everyone does."""
    for name in (*NOT_OURS, *SILENT):
        other = logging.getLogger(name)
        other.handlers = []
        other.propagate = True


def formatter(form: str, *, colours: bool = False) -> logging.Formatter:
    """Return what turns records into lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        _given,
    ]
    if form == "json":
        shared.append(structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"))
        last: list[Any] = [
            structlog.processors.format_exc_info,
            _redact,
            structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
        ]
    else:
        shared.append(structlog.processors.TimeStamper("%Y-%m-%d %H:%M:%S", utc=False, key="time"))
        last = [
            structlog.processors.format_exc_info,
            _redact,
            _on_one_line,
            structlog.dev.ConsoleRenderer(
                colors=colours,
                timestamp_key="time",
                exception_formatter=structlog.dev.plain_traceback,
                pad_event_to=0,
                pad_level=False,
            ),
        ]
    return Formatter(
        form,
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


class Formatter(structlog.stdlib.ProcessorFormatter):
    """Formats lines; those of requests, of which there may be a thousand a second, by hand."""

    def __init__(self, form: str, **chain: Any) -> None:
        super().__init__(**chain)
        self._form = form

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        if record.name != ACCESS or record.exc_info:
            return super().format(record)
        given: dict[str, Any] = getattr(record, "with", {})
        said = given | {"path": hide_in(given.get("path", ""))}
        level = record.levelname.lower()
        if self._form == "json":
            moment = datetime.fromtimestamp(record.created, UTC).isoformat()
            said |= {"event": record.msg, "level": level, "logger": ACCESS}
            return json.dumps(said | {"time": moment.replace("+00:00", "Z")}, ensure_ascii=False)
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        fields = " ".join(f"{name}={value}" for name, value in said.items())
        line = f"{when} [{level}] {record.msg} {fields}"
        return line if line.isprintable() else repr(line)[1:-1]


def _given(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Take over what a call gave as ``extra={"with": {…}}``: fields of the line."""
    record: logging.LogRecord = event["_record"]
    given: Mapping[str, Any] = getattr(record, "with", {})
    event.update(given)
    return event


def _redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Hide what is secret, wherever in a line it stands."""
    hidden: EventDict = hide(event)
    return hidden


def _on_one_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Keep what was given from beginning lines of its own, or colouring the terminal."""
    for name, value in event.items():
        if name != "exception" and isinstance(value, str) and not value.isprintable():
            event[name] = repr(value)[1:-1]
    return event
