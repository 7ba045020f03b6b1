"""What all bodies have in common, whatever they speak of."""

from collections.abc import Mapping, Sequence
from typing import Any, Self, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from service.wording import unknown

UNIQUE: dict[str, Any] = {"uniqueItems": True}


class Request(BaseModel):
    """A body from a client: what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, frozen=True)

    @model_validator(mode="wrap")
    @classmethod
    def _unknown_fields_are_named(
        cls, value: Any, validated: ModelWrapValidatorHandler[Self]
    ) -> Self:
        """Say of a field that there is not which there are."""
        try:
            return validated(value)
        except ValidationError as error:
            found = error.errors(include_url=False)
            if not any(_unknown(one) for one in found):
                raise
            raise ValidationError.from_exception_data(
                error.title, [_named(one, tuple(cls.model_fields)) for one in found]
            ) from None


def _without_null(schema: dict[str, Any]) -> None:
    """Leave out of a schema that its fields may be null."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)
        kinds = [kind for kind in field.pop("anyOf", ()) if kind != {"type": "null"}]
        field |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}


class Change(Request):
    """A body that says what to change: what is left out stays, and null is refused.

    Fields are declared as ``Name | None = None``, where None is what was left out.
    """

    model_config = ConfigDict(json_schema_extra=_without_null)

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_null(cls, value: Any) -> Any:
        """Refuse null, which one client means as nothing and another as no change."""
        if isinstance(value, dict):
            null = [name for name in cls.model_fields if value.get(name, "") is None]
            if null:
                raise refusal({(name,): _NO_NULL for name in null})
        return value


_NO_NULL = "null is no value of it; leave it out for it to stay as it is"


def _unknown(error: ErrorDetails) -> bool:
    """Whether an error is that of a field that the model at hand does not have."""
    return error["type"] == "extra_forbidden" and len(error["loc"]) == 1


def _named(error: ErrorDetails, fields: tuple[str, ...]) -> InitErrorDetails:
    """Return an error as it was, that of an unknown field in words that name the known ones."""
    kind: str | PydanticCustomError = error["type"]
    if _unknown(error):
        words = unknown(str(error["loc"][0]), fields)
        kind = PydanticCustomError("unknown_field", "{said}", {"said": words})
    elif kind not in _OF_PYDANTIC:
        kind = PydanticCustomError(error["type"], "{said}", {"said": error["msg"]})
    return InitErrorDetails(
        type=kind, loc=error["loc"], input=error["input"], ctx=error.get("ctx", {})
    )


_OF_PYDANTIC = frozenset(get_args(ErrorType)) - {"value_error"}
"""Kinds of errors that can be made anew from their context alone."""


class Answer(BaseModel):
    """A body to a client."""

    model_config = ConfigDict(
        use_attribute_docstrings=True, from_attributes=True, frozen=True, ser_json_inf_nan="null"
    )


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Refuse a list that names a value twice."""
    seen: set[Any] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{value!r} stands there twice; name every value once")
        seen.add(value)
    return values


def refuse_fields(value: Any, fields: Sequence[tuple[str, ...]], why: str) -> Any:
    """Refuse a request that holds fields of another mode, each with the way out.

    Args:
        value: The request, not yet validated.
        fields: Paths that it must not have.
        why: Message in which ``{}`` stands for the path.
    """
    found = [path for path in fields if _holds(value, path)]
    if found:
        raise refusal({path: why.format(".".join(path)) for path in found})
    return value


def refusal(messages: Mapping[tuple[str, ...], str]) -> ValidationError:
    """Make an error of our own words for some fields, by their paths."""
    return ValidationError.from_exception_data(
        "study",
        [
            {
                "type": PydanticCustomError("value_error", "{said}", {"said": said}),
                "loc": path,
                "input": None,
            }
            for path, said in messages.items()
        ],
    )


def _holds(value: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True
