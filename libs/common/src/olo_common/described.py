"""Docstrings below fields as their descriptions, of pydantic's models and settings.

Pydantic does the same by `use_attribute_docstrings`. But it reads the file of a class anew for each class, and before
Python 3.13 with a tokenizer in Python: an eighth of what the gateway imports.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from pydantic import Field
from pydantic.fields import FieldInfo

_MISSING: Final = object()


class Described:
    """A base, to be named before pydantic's own."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Gives the fields of the new class their descriptions, before pydantic looks at them."""
        super().__init_subclass__(**arguments)
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        for name, description in _of_file(file).get(cls.__qualname__, {}).items() if file else ():
            given = cls.__dict__.get(name, _MISSING)
            if given is _MISSING:
                setattr(cls, name, Field(description=description))
            elif not isinstance(given, FieldInfo):
                setattr(cls, name, Field(default=given, description=description))
            elif given.description is None:
                setattr(cls, name, FieldInfo.merge_field_infos(given, description=description))


@cache
def _of_file(file: str) -> Mapping[str, Mapping[str, str]]:
    """By the qualified names of the classes in a file: their fields, and what stands below them."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):
        # Without the sources nothing is described, as with pydantic; and all else goes on.
        return {}
    return {name: dict(_docstrings(found)) for name, found in _classes(tree, "")}


def _classes(parent: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for child in ast.iter_child_nodes(parent):
        match child:
            case ast.ClassDef(name=name):
                yield prefix + name, child
                yield from _classes(child, f"{prefix}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from _classes(child, f"{prefix}{name}.<locals>.")


def _docstrings(found: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(found.body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name), annotation=annotation),
                ast.Expr(value=ast.Constant(value=str(text))),
            ) if not name.startswith("_") and "ClassVar" not in ast.unparse(annotation):
                yield name, inspect.cleandoc(text)
