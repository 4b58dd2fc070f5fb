"""What a caller says of a call for an answer beside its body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Header


@dataclass(frozen=True, slots=True)
class _CallHeaders:
    idempotency_key: str | None
    priority: str | None
    timeout: float | None
    new: str | None


async def _call_headers(
    idempotency_key: Annotated[
        str | None, Header(description="The same key returns the same run, for as long as runs are kept.")
    ] = None,
    x_request_priority: Annotated[
        str | None, Header(description="`interactive`, `normal` (the default) or `batch`.")
    ] = None,
    x_request_timeout: Annotated[
        float | None, Header(description="Seconds that the caller waits: the run gets no more.")
    ] = None,
    x_request_new: Annotated[
        str | None,
        Header(description="`true` where no earlier try with this key can have been accepted: refusals are cheaper."),
    ] = None,
) -> _CallHeaders:
    # A coroutine, though it awaits nothing: FastAPI gives a plain function to a thread, for each call.
    return _CallHeaders(idempotency_key, x_request_priority, x_request_timeout, x_request_new)


CallHeaders: TypeAlias = Annotated[_CallHeaders, Depends(_call_headers)]
