"""What is written about a line: a row of the output or of the errors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

CANCELLED: Final = ("batch_cancelled", "the batch was cancelled before this request was answered")
EXPIRED: Final = ("batch_expired", "the batch expired before this request was answered")
LOST: Final = ("internal", "this request was not answered; the log of the service has the details")


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer of a line."""

    request_id: str
    body: Mapping[str, Any]
    prompt_tokens: int = 0
    completion_tokens: int = 0
    status: int = 200


class Endpoint(Protocol):
    """What answers the lines of one endpoint."""

    def check(self, body: Mapping[str, Any]) -> None:
        """Looks whether a body can be run.

        Raises:
            InvalidField: Naming the field that is wrong.
        """
        ...

    async def answer(self, body: Mapping[str, Any], request_id: str) -> Answered:
        """Answers a body; the same request id gives the same answer.

        Raises:
            OloError: Why there is none.
        """
        ...

    async def cancel(self, request_id: str) -> None:
        """Stops what was begun under this id."""
        ...


def answer_row(batch_id: str, line: int, custom_id: str, answered: Answered) -> bytes:
    """The row of a line that has an answer, be it an error of its endpoint."""
    response = {"status_code": answered.status, "request_id": answered.request_id, "body": answered.body}
    return _row(batch_id, line, custom_id, response, None)


def failure_row(batch_id: str, line: int, custom_id: str, why: tuple[str, str]) -> bytes:
    """The row of a line that was never answered.

    Args:
        batch_id: The batch.
        line: Number of the line, from 0.
        custom_id: As the caller has named it.
        why: A code and a sentence.
    """
    return _row(batch_id, line, custom_id, None, {"code": why[0], "message": why[1]})


def _row(batch_id: str, line: int, custom_id: str, response: object, error: object) -> bytes:
    name = hashlib.sha256(f"{batch_id}.{line}".encode()).hexdigest()[:32]
    row = {"id": f"batch_req_{name}", "custom_id": custom_id, "response": response, "error": error}
    return orjson.dumps(row) + b"\n"
