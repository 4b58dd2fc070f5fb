"""The error table, and every reason that a caller may be told, from the code that raises them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from markdown import code, page, table

from olo_common.errors import ErrorCode, InvalidField, OloError, RemoteError
from olo_gateway.http.errors import HTTP_REASONS, STATUSES, Refused

SERVICES = sorted(path.parent.name for path in Path(__file__).resolve().parents[2].glob("services/*/pyproject.toml"))
PACKAGES = {f"olo_{name.replace('-', '_')}": name for name in SERVICES} | {"olo_common": "any"}
_OF_A_CLASS = '    reason = "'
"""What is in a module that has classes of errors; no other is imported."""
_INTRODUCTION = """Every error has a *code* of the first table, a *reason* that programs may rely on, and a message
for people. The reason is `error.code` in OpenAI's dialect, `ErrorInfo.reason` of domain `olo` in gRPC's status
details, and the type of a failed Temporal activity or workflow; it is the same everywhere. A wrong field is named
(`error.param`, `BadRequest`), a delay to wait is told (`Retry-After`, `RetryInfo`).

What to do about each: [troubleshooting](../guides/troubleshooting.md)."""
_YES = {True: "yes", False: ""}
_ABOUT_RETRIES = """*Again*: whether the same request may succeed later without a change. Clients of this project
try again by themselves, with the same request id; whoever does so without one may ask twice."""


@dataclass(frozen=True, slots=True, order=True)
class Reason:
    """A reason, as one place in the code gives it."""

    reason: str
    code: str
    service: str
    when: str
    status: int
    again: bool


def errors_page() -> str:
    """The page."""
    codes = [
        (code(each.name), str(row.http), str(row.grpc), code(row.openai_type), _YES[row.retryable])
        for each in ErrorCode
        for row in (each.value,)
    ]
    merged: dict[tuple[str, str, int, bool], tuple[set[str], list[str]]] = {}
    for found in sorted(reasons()):
        key = (found.reason, found.code, found.status, found.again)
        services, whens = merged.setdefault(key, (set(), []))
        services.add(found.service)
        when = found.when[:1].lower() + found.when[1:]
        if when and when not in whens:
            whens.append(when)
    rows = [
        (code(reason), code(name), str(status), _YES[again], ", ".join(sorted(services)), " / ".join(whens))
        for (reason, name, status, again), (services, whens) in merged.items()
    ]
    return page(
        "Errors",
        _INTRODUCTION,
        "## Codes",
        _ABOUT_RETRIES,
        table(("code", "HTTP", "gRPC", "`error.type` (OpenAI)", "again"), codes),
        "## Reasons",
        table(("reason", "code", "HTTP", "again", "said by", "when"), rows),
    )


def reasons() -> Iterator[Reason]:
    """Every reason: of a class, of a wrong field, of an error that has come from elsewhere, of HTTP alone."""
    for package in PACKAGES:
        folder = Path(import_module(package).__path__[0])
        for path in sorted(folder.rglob("*.py")):
            text = path.read_text()
            if _OF_A_CLASS in text:
                import_module(".".join((package, *path.relative_to(folder).with_suffix("").parts)))
            yield from _literals(text, PACKAGES[package])
    yield from _of_classes(OloError)
    for status, (reason, message) in HTTP_REASONS.items():
        refused = Refused(status)
        yield Reason(reason, refused.code.name, "gateway", f"{message} (HTTP)", int(status), refused.retryable)


def _of_classes(kind: type[OloError]) -> Iterator[Reason]:
    # A class without a reason of its own is there for its leaves.
    named = kind not in (RemoteError, Refused) and "reason" in vars(kind)
    if named and kind.__module__.partition(".")[0] in PACKAGES:
        service = PACKAGES[kind.__module__.partition(".")[0]]
        when = (kind.__doc__ or "").strip().partition("\n")[0].rstrip(".") if kind is not OloError else "a bug"
        again = kind.retryable.fget(kind)  # type: ignore[attr-defined]  # a property that asks for the code alone
        yield _reason(kind.reason, kind.code, service, when, again=again)
    for leaf in kind.__subclasses__():
        yield from _of_classes(leaf)


def _literals(text: str, service: str) -> Iterator[Reason]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        texts = [each.value if isinstance(each, ast.Constant) else None for each in node.args]
        if node.func.id == InvalidField.__name__:
            said = next((each.value for each in node.keywords if each.arg == "reason"), None)
            if isinstance(said, ast.Constant) and isinstance(said.value, str):
                when = texts[1] if len(texts) > 1 and isinstance(texts[1], str) else ""
                yield _reason(said.value, ErrorCode.INVALID_ARGUMENT, service, when)
        elif node.func.id == RemoteError.__name__ and len(texts) > 2 and isinstance(texts[1], str):
            name = ast.unparse(node.args[0]).rpartition(".")[2]
            if name in ErrorCode.__members__:
                yield _reason(texts[1], ErrorCode[name], service, texts[2] if isinstance(texts[2], str) else "")


def _reason(reason: str, error_code: ErrorCode, service: str, when: str, *, again: bool | None = None) -> Reason:
    may = error_code.value.retryable if again is None else again
    return Reason(reason, error_code.name, service, when, int(STATUSES.get(reason, error_code.value.http)), may)
