"""What goes over NATS, and what is called how on Temporal: from the names beside the protos."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from grpc_pages import types
from markdown import code, page, table
from protos import Package

from olo_common.journal import LOGS_ASKED_SUBJECT, LOGS_SUBJECT
from olo_contracts import queues, streams, subjects

_INTRODUCTION = """Events on NATS are hints: everything works, later, without them. They are protobuf messages of
`olo.events.v1`, generated into dataclasses ([ADR 0002](../adr/0002-betterproto2-for-events.md)). Names of subjects,
streams, queues and workflows are written down once, in `libs/protos/src/olo_contracts`."""
_KINDS = {
    "_QUEUE": "task queue",
    "_WORKFLOW": "workflow",
    "_ACTIVITY": "activity",
    "_SIGNAL": "signal",
    "_QUERY": "query",
    "_MEMO": "memo",
}
_OF_MODELS = (("llm_queue", "llm.<model id>"), ("embedding_queue", "embedding.<model id>"))


def names_page(events: Package) -> str:
    """The page."""
    about = {name: file.comment(*place) for file in events.files for name, place, _ in file.messages()}
    rows = [
        (code(subjects.pattern_of(event)), f"[`{event.__name__}`](#{event.__name__.lower()})", about[event.__name__])
        for event in subjects.Event.__args__  # type: ignore[attr-defined]
    ]
    chunks = streams.CHUNK_STREAM
    kept = f"{chunks.seconds:.0f} s, at most {chunks.max_bytes // 1024**2} MiB of memory"
    rows += [
        (code(f"{subjects.STREAM_PREFIX}.<run>"), "`olo.inference.v1.TokenChunk`", f"Text of a run. Kept: {kept}."),
        (code(f"{LOGS_SUBJECT}.<service>"), "JSON", "The last lines of the log, for the gateway's log view."),
        (code(LOGS_ASKED_SUBJECT), "empty", "Asks every process for the lines that it still has."),
    ]
    return page(
        "Events, queues and workflows",
        _INTRODUCTION,
        "## Subjects on NATS",
        "`*` and `<…>` stand for an id; what is no letter, digit, `_` or `-` in it is written `_`.",
        table(("subject", "message", ""), rows),
        "## Names on Temporal",
        table(("kind", "name", ""), sorted(_on_temporal())),
        *types(events),
    )


def _on_temporal() -> Iterator[tuple[str, str, str]]:
    body = ast.parse(Path(queues.__file__).read_text()).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            kind = next(kind for ending, kind in _KINDS.items() if name.endswith(ending))
            yield kind, code(getattr(queues, name)), _docstring(after)
    for function, name in _OF_MODELS:
        yield "task queue", code(name), (getattr(queues, function).__doc__ or "").strip()


def _docstring(node: ast.stmt | None) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return ""
