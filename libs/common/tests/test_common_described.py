from __future__ import annotations

from typing import Annotated, ClassVar

import pytest
from pydantic import BaseModel, Field, ValidationError

from olo_common.described import Described


class Shape(Described, BaseModel):
    """No description of a field."""

    required: int
    """Has no default."""
    defaulted: Annotated[int, Field(ge=1)] = 2
    """Has one,
    and a second line."""
    made: list[int] = Field(default_factory=list, alias="given")
    """Is made."""
    said: int = Field(default=3, description="Says so itself.")
    """Is not used."""
    plain: int = 4
    shared: ClassVar[int] = 5
    """No field."""
    _hidden: int = 6
    """No field."""

    class Inner(Described, BaseModel):
        required: int
        """Of another class."""


def described(model: type[BaseModel]) -> dict[str, str | None]:
    return {name: info.description for name, info in model.model_fields.items()}


def test_what_stands_below_a_field_describes_it() -> None:
    assert described(Shape) == {
        "required": "Has no default.",
        "defaulted": "Has one,\nand a second line.",
        "made": "Is made.",
        "said": "Says so itself.",
        "plain": None,
    }
    assert described(Shape.Inner) == {"required": "Of another class."}


def test_fields_are_what_they_were() -> None:
    shape = Shape.model_validate({"required": 1, "given": [7]})

    assert (shape.defaulted, shape.made, shape.said, shape.plain, shape.shared, shape._hidden) == (2, [7], 3, 4, 5, 6)
    assert Shape(required=1).made is not Shape(required=1).made
    assert Shape.model_fields["required"].is_required()


@pytest.mark.parametrize("wrong", [{}, {"required": 1, "defaulted": 0}])
def test_fields_are_checked_as_before(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Shape.model_validate(wrong)


def test_a_subclass_describes_what_it_says_anew_and_keeps_the_rest() -> None:
    class Sub(Shape):
        required: int = 8
        """Has a default here."""

    assert described(Sub)["required"] == "Has a default here."
    assert described(Sub)["defaulted"] == "Has one,\nand a second line."
    assert Sub().required == 8


def test_a_class_that_was_not_read_from_a_file_is_left_as_it_is() -> None:
    namespace = {"__name__": "nowhere", "Described": Described, "BaseModel": BaseModel}
    exec('class Made(Described, BaseModel):\n    field: int = 1\n    "Not found."\n', namespace)

    assert described(namespace["Made"]) == {"field": None}  # type: ignore[arg-type]
