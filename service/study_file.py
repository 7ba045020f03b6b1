"""Studies in YAML files."""

import json
import re
from typing import Any

import yaml


class StudyFileError(Exception):
    """A file does not hold a study."""


class _RepeatedKeyError(Exception):
    """A mapping names a key twice."""


class _Loader(yaml.SafeLoader):
    """YAML 1.1, but `1e-3` is a number, as everyone who writes one means, and a key stands once."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Refuse a mapping that names a key twice, which PyYAML takes silently."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                raise _RepeatedKeyError(
                    f"{key.value!r} stands twice in one mapping, in line {lines[name]} and in line "
                    f"{line}: name every key once"
                )
            lines[name] = line
        return node


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*)(\.[\d_]*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)


def parse(text: str, *, origin: str) -> dict[str, Any]:
    """Read a study's request from YAML (or JSON, which is YAML too).

    Args:
        text: What the file holds.
        origin: The file's name, for errors.

    Raises:
        StudyFileError: Not YAML, a key that stands twice, or not a mapping.
    """
    try:
        found = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except _RepeatedKeyError as error:
        raise StudyFileError(f"{origin}: {error}") from error
    except yaml.YAMLError as error:
        raise StudyFileError(f"{origin} is not YAML: {error}") from error
    if not isinstance(found, dict):
        raise StudyFileError(
            f"{origin} does not hold a study: a mapping with task, optimizers, learning_rates and "
            "weight_decays is wanted"
        )
    try:
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise StudyFileError(
            f"{origin} holds something that JSON cannot say, such as a date, infinity or a "
            f"reference to itself: {error}"
        ) from error
    return found
