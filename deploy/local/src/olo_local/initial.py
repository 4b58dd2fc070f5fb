"""`olo init`: a settings file in which every variable stands with its default and its meaning."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from olo_local.errors import StackError
from olo_local.variables import all_variables

_HEAD = """\
# Settings of Open LLM Orchestrator, read by `olo` in this folder and given to all that it starts.
# A line that begins with # says nothing: take the # away and change the value. The environment wins over this file.
# `olo config show` says what holds, and `olo doctor` whether all of it can work.
"""
_WIDTH = 118


def initial_file(chosen: Mapping[str, str]) -> str:
    """The text of the file; what was chosen is set, all else stands there as a comment."""
    lines, part = [_HEAD], ""
    for variable in all_variables({}, {}):
        if variable.part != part:
            part = variable.part
            lines.append(f"\n# --- {part} ---\n")
        lines += textwrap.wrap(variable.meaning, _WIDTH, initial_indent="# ", subsequent_indent="# ")
        if variable.name in chosen:
            lines.append(f"{variable.name}={chosen[variable.name]}\n")
        else:
            default = "" if variable.default in ("unset", "required") else variable.default
            lines.append(f"#{variable.name}={default}\n")
    return "\n".join(lines)


def write_initial(path: Path, chosen: Mapping[str, str], *, force: bool) -> None:
    """Writes the file.

    Raises:
        StackError: It is there already, or cannot be written.
    """
    try:
        with path.open("w" if force else "x") as file:
            file.write(initial_file(chosen))
    except FileExistsError:
        raise StackError(f"{path} is there already: name another one, or take --force to write it anew") from None
    except OSError as error:
        raise StackError(f"{path} cannot be written ({error.strerror})") from None
