"""JSON Schemas of callers: checked before they are used, and never able to hold up or reach out.

A schema is a program of somebody else. It may not fetch anything, hold regular expressions (which can run for ever) or
be large, and following its references ends after a number of steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError, best_match
from jsonschema.validators import extend
from referencing import Registry

from olo_common.errors import InvalidField
from olo_llm_worker.generation.formats.json_text import parse

LARGEST: Final = 32 * 1024
"""Characters of a schema."""
_MOST_REFERENCES: Final = 5_000
_REGULAR: Final = ("pattern", "patternProperties")
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_TOO_MANY: Final = "follows too many references"
_LONGEST_PROBLEM: Final = 300


_followed: ContextVar[list[int]] = ContextVar("followed")
"""How many references the present check has followed: validators pass no state on to those that they make."""


def _counted(validator: Any, reference: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    followed = _followed.get()
    followed[0] += 1
    if followed[0] > _MOST_REFERENCES:
        raise RecursionError
    yield from Draft202012Validator.VALIDATORS["$ref"](validator, reference, instance, schema) or ()


_Checker: Final[Any] = extend(Draft202012Validator, {"$ref": _counted})


class Schema:
    """A schema that is ready to check values.

    Args:
        text: The schema as JSON text.
        field: The field of the request that holds it.

    Raises:
        InvalidField: It is no schema, or one that is not allowed.
    """

    def __init__(self, text: str, field: str) -> None:
        if len(text) > LARGEST:
            raise _refused(field, f"must have at most {LARGEST} characters")
        try:
            schema = parse(text)
        except ValueError:
            raise _refused(field, "must be JSON") from None
        if not isinstance(schema, dict):
            raise _refused(field, "must be a JSON object")
        self._field = field
        self._walk(schema)
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise _refused(field, f"is no JSON Schema: {_short(error.message)}") from None
        self.value: dict[str, Any] = schema
        if self.problem({}) == _TOO_MANY:
            raise _refused(field, _TOO_MANY)

    def problem(self, value: Any) -> str:
        """What is wrong with a value, in a sentence for the model; empty: nothing."""
        _followed.set([0])
        try:
            error = best_match(_Checker(self.value, registry=Registry()).iter_errors(value))
        except RecursionError:
            return _TOO_MANY
        except Exception:
            # An unresolvable reference: what is raised is not part of the library's promises.
            return "refers to a definition that is not there"
        if error is None:
            return ""
        where = "".join(f"[{part!r}]" for part in error.absolute_path)
        return _short(f"at {where}: {error.message}" if where else error.message)

    def _walk(self, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                if key in _REGULAR and isinstance(item, str | dict) and not _is_property(item):
                    raise _refused(self._field, f"{key} is not supported")
                if key in _REFERENCES and isinstance(item, str) and (key != "$ref" or not item.startswith("#")):
                    raise _refused(self._field, f"{key} may only point into the schema itself")
                self._walk(item)
        elif isinstance(value, list):
            for item in value:
                self._walk(item)


def _is_property(item: Any) -> bool:
    """Whether what looks like a keyword is a property of that name: its value is a schema with a type."""
    return isinstance(item, dict) and isinstance(item.get("type"), str | list)


def _refused(field: str, problem: str) -> InvalidField:
    return InvalidField(field, problem, reason="schema_invalid")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_PROBLEM else text[:_LONGEST_PROBLEM] + "…"
