"""Writes the table of all commands into README.md, from the commands themselves: `make reference`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import typer
from typer.core import TyperGroup

from olo_client.cli.program import build_app

README = Path(__file__).resolve().parent / "README.md"
_PLACE = re.compile(r"(?<=<!-- commands -->\n).*?(?=<!-- /commands -->)", re.DOTALL)


def table() -> str:
    """One row for each command: its name, what it does, and whether it writes JSON."""
    rows = ["| command | | `--json` |", "|---|---|---|"]
    rows += [f"| `{name}` | {words} | {'yes' if as_json else ''} |" for name, words, as_json in commands()]
    return "\n".join(rows) + "\n"


def commands() -> Iterator[tuple[str, str, bool]]:
    """Name, first sentence of the help, and whether there is a `--json`."""
    yield from sorted(_of("olo", typer.main.get_command(build_app())))


def updated(text: str) -> str:
    """The README with the table of now."""
    return _PLACE.sub(lambda _: table(), text)


def _of(name: str, command: object) -> Iterator[tuple[str, str, bool]]:
    if isinstance(command, TyperGroup):
        for word, inner in command.commands.items():
            yield from _of(f"{name} {word}", inner)
        return
    words = " ".join((command.help or "").split()).removesuffix(".")  # type: ignore[attr-defined]
    yield name, words.replace("|", "\\|"), any("--json" in each.opts for each in command.params)  # type: ignore[attr-defined]


if __name__ == "__main__":
    README.write_text(updated(README.read_text()))
