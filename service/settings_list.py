"""All settings as a list: for people to look at, for the documentation and for a file to edit."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ByteSize, SecretStr
from pydantic.fields import FieldInfo

from service.secrecy import HIDDEN, hide_in
from service.settings import (
    Settings,
    config_file,
    from_dotenv,
    from_environment,
    from_file,
    variable,
)


@dataclass(frozen=True)
class Setting:
    """One setting, as it is now."""

    name: str
    variable: str
    """Of the environment."""
    value: Any
    """What it is, as JSON can have it; secrets are hidden."""
    source: str
    """Where the value comes from."""
    help: str


def listed(here: Settings) -> list[Setting]:
    """Return every setting with its value and where that comes from."""
    environment, dotenv, file = from_environment(), from_dotenv(), from_file()

    def source(name: str) -> str:
        if variable(name) in environment:
            return "environment"
        if variable(name) in dotenv:
            return ".env"
        return str(config_file()) if name in file else "default"

    return [
        Setting(name, variable(name), shown(getattr(here, name)), source(name), help_of(field))
        for name, field in Settings.model_fields.items()
    ]


def shown(value: Any) -> Any:
    """Return a value as JSON can have it, without secrets."""
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    if isinstance(value, ByteSize):
        return _size(int(value))
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, str):
        return hide_in(value)
    if isinstance(value, tuple | list | set | frozenset):
        return [shown(one) for one in value]
    return value


def _size(count: int) -> str:
    """Write a number of bytes with the largest unit in which it is a whole number."""
    for power, unit in ((4, "T"), (3, "G"), (2, "M"), (1, "K")):
        for base, suffix in ((1000, "B"), (1024, "iB")):
            if count >= base**power and count % base**power == 0:
                return f"{count // base**power}{unit}{suffix}"
    return str(count)


def help_of(field: FieldInfo) -> str:
    """Return a setting's help, in one line."""
    return " ".join((field.description or "").split())


def default_of(field: FieldInfo) -> Any:
    """Return a setting's default, the same on every machine."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "default_is" in extra:
        return extra["default_is"]
    return shown(field.get_default(call_default_factory=True))


def kind_of(field: FieldInfo) -> str:
    """Say what values a setting takes."""
    return _kind(field.annotation)


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{one}`" for one in get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        kinds = [_kind(one) for one in get_args(annotation) if one is not type(None)]
        return " or ".join(kinds)
    if hasattr(annotation, "__metadata__"):
        return _kind(get_args(annotation)[0])
    names = {ByteSize: "size", bool: "`true` or `false`", int: "whole number", float: "number"}
    names |= {Path: "path", SecretStr: "text, secret"}
    if annotation in names:
        return names[annotation]
    return "list" if get_origin(annotation) in (tuple, list) else "text"


def as_toml() -> str:
    """Return a settings file in which every line is a comment: defaults, to be changed."""
    lines = [
        "# Settings of lpwd. Every line is a comment that shows a default: remove the # to change",
        "# it. What options, the environment (LPWD_… in capitals) or .env say counts before this.",
    ]
    for name, field in Settings.model_fields.items():
        value = default_of(field)
        lines += ["", *_wrapped(help_of(field))]
        lines.append(f"# {name} =" if value is None else f"# {name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def as_table() -> str:
    """Return all settings as a table in Markdown."""
    lines = ["| variable | in the file | takes | default | |", "| --- | --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        value = default_of(field)
        default = "" if value in (None, "", []) else f"`{_plain(value)}`"
        cells = (f"`{variable(name)}`", f"`{name}`", kind_of(field), default, help_of(field))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _toml(value: Any) -> str:
    """Return a value of the kinds that settings have, in TOML: as in JSON."""
    return json.dumps(value, ensure_ascii=False)


def _wrapped(text: str, width: int = 98) -> Iterable[str]:
    line = "#"
    for word in text.split():
        if len(line) + 1 + len(word) > width:
            yield line
            line = "#"
        line += f" {word}"
    yield line
