"""What one hyperparameter is, and the check of a value against it. No torch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lpwd.errors import InvalidHyperparameter

Kind = Literal["number", "integer", "boolean", "string"]
Value = float | int | bool | str


@dataclass(frozen=True, slots=True)
class Hyperparameter:
    """One named setting of an optimizer: its type, default and the values it may take.

    Attributes:
        name: as written in a study and passed to the optimizer.
        kind: JSON Schema's word for the type. A boolean is never taken for a number.
        default: the value when a study does not say.
        description: one sentence for people.
        minimum: smallest allowed value, itself allowed unless `exclusive_minimum`.
        maximum: largest allowed value, itself allowed unless `exclusive_maximum`.
        choices: the allowed strings; empty means any.
    """

    name: str
    kind: Kind
    default: Value
    description: str
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    choices: tuple[str, ...] = ()

    def allowed(self) -> str:
        """Say in words which values may be given, for error messages and documentation."""
        if self.choices:
            return "one of " + ", ".join(repr(choice) for choice in self.choices)
        words: str = {
            "number": "a number",
            "integer": "an integer",
            "boolean": "true or false",
            "string": "a string",
        }[self.kind]
        if self.minimum is not None:
            words += f" {'>' if self.exclusive_minimum else '>='} {self.minimum:g}"
        if self.maximum is not None:
            joint = " and" if self.minimum is not None else ""
            words += f"{joint} {'<' if self.exclusive_maximum else '<='} {self.maximum:g}"
        return words

    def check(self, value: object) -> Value:
        """Return `value` in this hyperparameter's own type.

        Raises:
            InvalidHyperparameter: wrong type (a boolean is no number), NaN, infinite, out of range.
        """
        if self.kind == "boolean" and isinstance(value, bool):
            return value
        if self.kind == "string" and isinstance(value, str):
            if not self.choices or value in self.choices:
                return value
        elif self.kind == "integer" and type(value) is int and self._within(value):
            return value
        elif (
            self.kind == "number" and isinstance(value, int | float) and not isinstance(value, bool)
        ):
            number = _as_float(value)
            if math.isfinite(number) and self._within(number):
                return number
        raise InvalidHyperparameter(f"{self.name} must be {self.allowed()}, not {value!r}")

    def json_schema(self) -> dict[str, object]:
        """Describe this hyperparameter as a JSON Schema (2020-12) property."""
        schema: dict[str, object] = {
            "type": self.kind,
            "default": self.default,
            "description": self.description,
        }
        if self.choices:
            schema["enum"] = list(self.choices)
        if self.minimum is not None:
            schema["exclusiveMinimum" if self.exclusive_minimum else "minimum"] = self.minimum
        if self.maximum is not None:
            schema["exclusiveMaximum" if self.exclusive_maximum else "maximum"] = self.maximum
        return schema

    def _within(self, number: float) -> bool:
        if self.minimum is not None and not number >= self.minimum:
            return False
        if self.maximum is not None and not number <= self.maximum:
            return False
        return not (
            (self.exclusive_minimum and number == self.minimum)
            or (self.exclusive_maximum and number == self.maximum)
        )


def _as_float(value: float) -> float:
    """Return a number as a float; one too large for any is infinite, which no setting may be."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def object_schema(title: str, hyperparameters: tuple[Hyperparameter, ...]) -> dict[str, object]:
    """Describe a set of hyperparameters as one JSON Schema object that refuses unknown fields."""
    properties: Mapping[str, object] = {h.name: h.json_schema() for h in hyperparameters}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "type": "object",
        "properties": dict(properties),
        "additionalProperties": False,
    }
