"""What is wrong with a request's field, in our own words: pure.

Pydantic says what its types are called in Python; a client sends JSON, and wants to know what to
send instead.
"""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = 120
"""Characters of a refused value that its error repeats."""

_WANTED = {
    "tuple_type": "a list is wanted",
    "list_type": "a list is wanted",
    "dict_type": "an object is wanted",
    "model_type": "an object is wanted",
    "model_attributes_type": "an object is wanted",
    "dataclass_type": "an object is wanted",
    "string_type": "a string is wanted",
    "string_unicode": "a string of whole characters is wanted",
    "int_type": "a whole number is wanted",
    "int_from_float": "a whole number is wanted",
    "int_parsing": "a whole number is wanted",
    "float_type": "a number is wanted",
    "float_parsing": "a number is wanted",
    "finite_number": "a finite number is wanted",
    "bool_type": "true or false is wanted",
    "bool_parsing": "true or false is wanted",
    "greater_than": "more than {gt:g} is wanted",
    "greater_than_equal": "{ge:g} or more is wanted",
    "less_than": "less than {lt:g} is wanted",
    "less_than_equal": "{le:g} or less is wanted",
    "too_short": "{min_length} or more are wanted, not {actual_length}",
    "too_long": "{max_length} or fewer are wanted",
    "string_too_short": "a string of {min_length} or more characters is wanted",
    "string_too_long": "a string of {max_length} characters or fewer is wanted",
    "string_pattern_mismatch": "a string of the form {pattern} is wanted",
    "enum": "choose {expected}",
    "literal_error": "choose {expected}",
    "extra_forbidden": "there is no such field here",
    "missing": "this has to be given",
}
"""Kind of error to words, in which its context fills the gaps."""
_SAYS_THE_VALUE = {"missing", "value_error", "unknown_field"}
"""Kinds whose words need no value after them."""


def said(error: Mapping[str, Any]) -> str:
    """Say what is wrong with a value, and which value it is.

    Args:
        error: One of `pydantic.ValidationError.errors()`.
    """
    kind = error["type"]
    if kind == "json_invalid":
        return f"not JSON: {error['ctx']['error']} at character {error['loc'][-1]}"
    wanted = _WANTED.get(kind)
    if wanted is None:
        words = str(error["msg"]).removeprefix("Value error, ")
    else:
        words = wanted.format(**error.get("ctx", {}))
    return words if kind in _SAYS_THE_VALUE else f"{words} (got {shown(error['input'])})"


def shown(value: Any) -> str:
    """Write a value as the client did, cut short where it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    text = text.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def unknown(name: str, known: Sequence[str]) -> str:
    """Say that there is no field of a name, and which there are.

    Args:
        name: What was sent.
        known: The fields that may be.
    """
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no field {name[:SHOWN]!r} here; {meant}there are {', '.join(sorted(known))}"
