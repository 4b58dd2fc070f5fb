"""The settings of every service and of the local stack, from their classes."""

from __future__ import annotations

from collections.abc import Mapping

from markdown import code, page, table
from pydantic_settings import BaseSettings

from olo_common.settings import variables
from olo_local.services import SERVICES
from olo_local.settings import LocalSettings

PROGRAMS: Mapping[str, type[BaseSettings]] = {**SERVICES, "local stack": LocalSettings}
_MADE_AT_START = {
    "OLO_LOCAL_ROOT": "the checkout",
    "OLO_LLM_WORKER_INSTANCE_ID": "host and random",
    "OLO_EMBED_WORKER_INSTANCE_ID": "host and random",
}
"""Variables whose default is another one on each machine."""
_INTRODUCTION = """All settings are environment variables; `python -m olo_<service> --help` prints those of one
service. A value that is wrong ends the process at its start, with one sentence that names the variable. Where a
variable is a secret, `NAME_FILE` may name a file that holds it. Charts take the same names:
[Kubernetes](../guides/install-kubernetes.md)."""


def settings_page() -> str:
    """The page: what several programs read first, then each program's own."""
    readers: dict[tuple[str, str, str], list[str]] = {}
    for program, settings_class in PROGRAMS.items():
        for row in variables(settings_class):
            readers.setdefault(row, []).append(program)
    parts = [_INTRODUCTION, "## Read by several", _shared(readers)]
    for program in PROGRAMS:
        own = [row for row, told in readers.items() if told == [program]]
        parts += [f"## {program}", table(("variable", "default", ""), [_cells(row) for row in own])]
    return page("Settings", *parts)


def _shared(readers: Mapping[tuple[str, str, str], list[str]]) -> str:
    rows = []
    for row, told in readers.items():
        if len(told) > 1:
            by = "every service" if set(told) >= SERVICES.keys() else ", ".join(told)
            rows.append((*_cells(row), by))
    return table(("variable", "default", "", "read by"), sorted(rows))


def _cells(row: tuple[str, str, str]) -> tuple[str, str, str]:
    name, default, meaning = row
    if name in _MADE_AT_START:
        default = _MADE_AT_START[name]
    elif default not in ("unset", "required"):
        default = code(default)
    return code(name), default, meaning
