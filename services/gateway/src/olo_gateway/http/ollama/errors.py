"""The errors of the Ollama dialect, for the description of the API."""

from __future__ import annotations

from typing import Any, Final

from olo_gateway.http.ollama.schemas import ErrorLine

_ERRORS: Final = {
    400: "A field is wrong; the message names it.",
    404: "The model or the collection does not exist.",
    409: "The Idempotency-Key was used for another request.",
    413: "The body is too large.",
    415: "The body is compressed, or a web page has sent it as something else than JSON.",
    429: "Too many requests are in flight; see Retry-After.",
    501: "The call has no meaning here; the message says what to do instead.",
    503: "No model answers now, or a part of the system is away; see Retry-After.",
    504: "The run has not ended in time.",
}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a call."""
    return {status: {"model": ErrorLine, "description": _ERRORS[status]} for status in statuses}


LINES: Final = "application/x-ndjson"
AS_LINES: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {LINES: {"schema": {"type": "string"}}}}}
"""The answer may be lines of JSON."""
