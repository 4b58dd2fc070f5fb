"""Rules of the house that no linter knows. Each test looks at every file and names all that break its rule."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from olo_common.log_fields import FIELDS
from olo_common.settings import variables
from olo_local.services import SERVICES

ROOT = Path(__file__).resolve().parents[2]
GENERATED = (
    ROOT / "libs/protos/src/olo",
    ROOT / "libs/protos/src/olo_events",
    ROOT / "clients/typescript/src/schema.ts",
)
SOURCES = sorted(
    path
    for folder in ("services", "libs", "clients", "deploy")
    for path in (ROOT / folder).glob("**/src/**/*.py")
    if not any(path.is_relative_to(generated) for generated in GENERATED)
)
# What tests, tools and recipes are made of is read as often as what is shipped.
READ_BY_PEOPLE = sorted(
    path
    for folder in ("services", "libs", "clients", "deploy", "scripts", "tests", "models")
    for kind in ("py", "ts", "sh")
    for path in (ROOT / folder).glob(f"**/*.{kind}")
    if not any(path.is_relative_to(generated) for generated in GENERATED)
    and not {"node_modules", "dist", "static"} & set(path.parts)
)
MOST_LINES = 400
# The supervisor hands its own environment on to its children; the test plugin does the same.
FORWARDERS = ("deploy/local/", "libs/testing/")
DRAWERS = {"utils", "util", "helpers", "helper", "manager", "misc"}
# The command line puts its programs together where they are defined, and Alembic runs its script.
COMPOSED_AT_IMPORT = ("clients/python/src/olo_client/cli/",)
RUN_BY_ALEMBIC = "migrations/env.py"
IMPORTING_CONTEXTS = ("workflow.unsafe.imports_passed_through", "spared", "uncollected")
"""What may be entered at import, around imports."""
NO_CORES = {
    *("http", "rpc", "activities", "workflows", "calls", "adapters", "ports", "convert"),
    *("migrations", "model_directory", "upstream"),
}
"""Folders of services that are edges, workflows, adapters, ports or conversions, or make models out of files."""


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_there_are_files_to_look_at() -> None:
    assert len(SOURCES) > 500
    assert len(READ_BY_PEOPLE) > len(SOURCES)


def test_only_settings_read_the_environment() -> None:
    reads = [
        f"{relative(path)}:{node.lineno}"
        for path in SOURCES
        if path.name != "settings.py" and not relative(path).startswith(FORWARDERS)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    ]
    assert not reads


def test_no_file_or_folder_is_a_drawer() -> None:
    assert [relative(path) for path in SOURCES if DRAWERS & {path.stem, *path.relative_to(ROOT).parts}] == []


def test_no_file_is_a_tome() -> None:
    lengths = {relative(path): len(path.read_text().splitlines()) for path in READ_BY_PEOPLE}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}, "split these"


def test_modules_and_what_is_public_in_them_say_what_they_are() -> None:
    silent = [relative(path) for path in SOURCES if path.name != "__init__.py" and not ast.get_docstring(parsed(path))]
    silent += [
        f"{relative(path)}:{node.lineno} {name}"
        for path in SOURCES
        for name, node in _public(parsed(path))
        if not ast.get_docstring(node)
    ]
    assert not silent


def _public(
    tree: ast.Module | ast.ClassDef, within: str = ""
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions and methods that others may call. What an RPC does is said by the contract that its servicer serves."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not node.name.endswith("Servicer"):
            yield from _public(node, f"{node.name}.")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            # What a protocol says is there, the docstring of its class explains.
            if [*map(ast.unparse, [*node.decorator_list, *node.body])] == ["property", "..."]:
                continue
            yield f"{within}{node.name}", node


def test_nothing_runs_at_import() -> None:
    running = [
        f"{relative(path)}:{node.lineno}"
        for path in SOURCES
        if not relative(path).startswith(COMPOSED_AT_IMPORT) and not relative(path).endswith(RUN_BY_ALEMBIC)
        for node in parsed(path).body
        if _runs(node)
    ]
    assert not running


def _runs(node: ast.stmt) -> bool:
    """Whether it does something; definitions, constants, docstrings and imports do not."""
    match node:
        case ast.Expr(value=ast.Constant()):
            return False
        case ast.If():
            return ast.unparse(node.test) not in ("TYPE_CHECKING", "__name__ == '__main__'")
        case ast.With(items=[item]):
            only_imports = all(isinstance(each, ast.Import | ast.ImportFrom) for each in node.body)
            named = ast.unparse(item).partition("(")[0]
            return not (only_imports and named in IMPORTING_CONTEXTS)
        case ast.Expr() | ast.For() | ast.While() | ast.With() | ast.Try():
            return True
    return False


def test_each_core_is_held_to_be_pure() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    pure = set(contracts["importlinter:contract:cores-are-pure"]["source_modules"].split())
    cores = {
        f"{package.name}.{inside.parent.name}"
        for package in (ROOT / "services").glob("*/src/olo_*")
        for inside in package.glob("*/__init__.py")
        if inside.parent.name not in NO_CORES
    }
    assert cores <= pure


def test_every_service_is_among_the_services() -> None:
    assert SERVICES.keys() == {path.parent.name for path in ROOT.glob("services/*/pyproject.toml")}


def test_every_setting_says_what_it_is_for() -> None:
    silent = [name for settings in SERVICES.values() for name, _, meaning in variables(settings) if not meaning]
    assert not silent


def test_lines_of_the_log_have_listed_fields_alone() -> None:
    """Another field would be left out when the line is written."""
    told = {
        f"{relative(path)}:{call.lineno} {keyword.arg}"
        for path in SOURCES
        for call in _log_calls(path)
        for keyword in call.keywords
        if keyword.arg not in FIELDS | {"exc_info", None}
    }
    assert not told


def test_events_of_the_log_are_names() -> None:
    """A sentence cannot be searched for, and may hold what a caller has said."""
    sentences = [
        f"{relative(path)}:{call.lineno}"
        for path in SOURCES
        for call in _log_calls(path)
        if isinstance(call.args[0], ast.JoinedStr)
        or (isinstance(call.args[0], ast.Constant) and not re.fullmatch(r"[a-z][a-z0-9_]*", str(call.args[0].value)))
    ]
    assert not sentences


def _log_calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(parsed(path)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr in ("info", "warning", "error", "exception") and "log" in ast.unparse(node.func.value):
            yield node


def test_decisions_have_their_header() -> None:
    records = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    index = (ROOT / "docs/adr/README.md").read_text()
    assert records
    for record in records:
        lines = record.read_text().splitlines()
        assert lines[0].startswith(f"# {record.name[:4]}: "), record.name
        assert lines[2] in ("- Status: proposed", "- Status: accepted", "- Status: superseded"), record.name
        assert lines[3].startswith("- Date: 20"), record.name
        for section in ("## Context", "## Decision", "## Alternatives", "## Consequences"):
            assert section in lines, f"{record.name} lacks {section}"
        assert f"({record.name})" in index, f"{record.name} is not in the index"


def test_invariants_are_numbered_and_say_what_holds_them() -> None:
    rows = re.findall(r"\| (\d+) \| [^|]+ \| ([^|]+) \|", (ROOT / "ARCHITECTURE.md").read_text())
    assert [int(number) for number, _ in rows] == list(range(1, len(rows) + 1))
    assert rows
    for number, held_by in rows:
        holders = list(_holders(held_by))
        assert holders, f"invariant {number} is held by nothing"
        for path, name in holders:
            assert path.is_file(), f"invariant {number}: there is no {relative(path)}"
            assert not name or f"def {name}(" in path.read_text(), f"invariant {number}: no {name} in {relative(path)}"


def _holders(cell: str) -> Iterator[tuple[Path, str]]:
    """The files of a cell with the tests in them; a test without a file is in the file before."""
    path = ROOT
    for quoted in re.findall(r"`([^`]+)`", cell):
        if quoted.startswith("make "):
            target, makefile = quoted.removeprefix("make "), (ROOT / "Makefile").read_text()
            assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), f"there is no target {target}"
            yield ROOT / "Makefile", ""
        else:
            file, _, name = quoted.partition("::")
            path = ROOT / file if file else path
            yield path, name


@pytest.mark.parametrize("document", ["ARCHITECTURE.md", "docs/architecture/glossary.md"])
def test_what_is_named_as_a_path_is_there(document: str) -> None:
    named = re.findall(r"`([A-Za-z0-9_.-]+/[A-Za-z0-9_./-]*)`", (ROOT / document).read_text())
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []
