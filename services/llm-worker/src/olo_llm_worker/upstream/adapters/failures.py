"""What the failures of an upstream mean. Neither its words nor the key go on to a caller."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from olo_common.errors import OloError
from olo_common.logs import logger
from olo_llm_worker.errors import ContextTooLong
from olo_llm_worker.upstream.errors import (
    UpstreamBroken,
    UpstreamBusy,
    UpstreamDenied,
    UpstreamMisses,
    UpstreamRejected,
    UpstreamUnavailable,
)

_LONGEST_WAIT: Final = 3600.0
_QUOTA: Final = ("insufficient_quota", "billing_error")
_STATUS_OF_TYPE: Final = {
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "invalid_request_error": 400,
    "request_too_large": 413,
    "overloaded_error": 529,
}
"""What an error within a stream would have been as a status; all others are failures of the server."""
_CONTEXT_CODES: Final = ("context_length_exceeded", "exceed_context_size_error")
_CONTEXT_WORDS: Final = re.compile(
    r"maximum context length|maximum model length|prompt is too long|context (?:size|window|length)", re.IGNORECASE
)
_NUMBERS: Final = re.compile(r"[0-9][0-9,]{0,15}")
"""Python reads no number of thousands of digits, which an upstream may well send."""


def failure_of(
    status: int, body: bytes | Mapping[str, Any], headers: Mapping[str, str], *, tokens: int, limit: int
) -> OloError:
    """The error of a response, or of an error within a stream.

    Args:
        status: Of the response; 0 where the stream had begun.
        body: The body, or the error object of the stream.
        headers: Of the response.
        tokens: Estimated tokens of the prompt.
        limit: The configured context limit.
    """
    error = _error_object(body)
    code, kind = str(error.get("code") or ""), str(error.get("type") or "")
    message = str(error.get("message") or "")
    if not status:
        numeric = int(code) if code.isascii() and code.isdigit() and len(code) == 3 else 500
        status = _STATUS_OF_TYPE.get(kind) or _STATUS_OF_TYPE.get(code) or numeric
    logger(__name__).warning("upstream_failed", status=status, kind=_word(kind), code=_word(code))
    if code in _CONTEXT_CODES or kind in _CONTEXT_CODES or (status in (400, 413) and _CONTEXT_WORDS.search(message)):
        return _context_too_long(error, message, tokens, limit)
    if code in _QUOTA or kind in _QUOTA:
        return UpstreamDenied()
    return _by_status(status, _retry_after(headers))


def _by_status(status: int, wait: float) -> OloError:
    match status:
        case 401 | 402 | 403:
            return UpstreamDenied()
        case 404:
            return UpstreamMisses()
        case 429:
            return UpstreamBusy(wait)
    if status == 408 or status >= 500:
        return UpstreamUnavailable("the server of the model has failed", retry_after=wait)
    if status >= 400:
        return UpstreamRejected()
    return UpstreamBroken("the server of the model answers with what is no answer")


def _error_object(body: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    """The error in a body: under `error`, or the body itself; nothing where it is something else."""
    value: Any = body
    if isinstance(body, bytes):
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return {}
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, Mapping) and isinstance(value.get("error"), Mapping):
        value = value["error"]
    return value if isinstance(value, Mapping) else {}


def _context_too_long(error: Mapping[str, Any], message: str, tokens: int, limit: int) -> ContextTooLong:
    """The counts, where they are told: as fields, or as the smallest and the largest number of the message."""
    told = [int(number.replace(",", "")) for number in _NUMBERS.findall(message)]
    sizes = [number for number in told if 16 <= number < 1_000_000_000]
    if len(sizes) >= 2 and min(sizes) < max(sizes):
        tokens, limit = max(sizes), min(sizes)
    counted, room = error.get("n_prompt_tokens"), error.get("n_ctx")
    if isinstance(counted, int) and isinstance(room, int):
        tokens, limit = counted, room
    return ContextTooLong(tokens, limit)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that the upstream asks to wait: as a number, or as a date; where it does not, one."""
    said = headers.get("retry-after", "").strip()
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 1.0
    return min(max(seconds, 0.0), _LONGEST_WAIT) if math.isfinite(seconds) else 1.0


def _word(text: str) -> str:
    """A kind of error as it may stand in a log: never a sentence."""
    return text if re.fullmatch(r"[\w.-]{0,64}", text) else "other"
