"""`olo chat --compare`: one question to several models, their answers beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from olo.gateway.v1.run_pb2 import ChatResponse
from olo_client.cli.output import as_dict, seconds, write_json, write_table
from olo_client.client import Olo
from olo_client.errors import OloError
from olo_client.requests import ChatOptions


def compare(olo: Olo, question: str, models: Sequence[str], options: ChatOptions, *, as_json: bool) -> bool:
    """Asks all at once and writes what each has said; whether all of them have answered."""

    def ask(model: str) -> ChatResponse | OloError:
        mine = options.copy()
        mine["model"] = model
        try:
            return olo.chat(question, **mine)
        except OloError as error:
            return error

    with ThreadPoolExecutor(len(models)) as threads:
        answers = list(threads.map(ask, models))
    if as_json:
        write_json([_as_json(model, answer) for model, answer in zip(models, answers, strict=True)])
    else:
        write_table(
            ("", *models),
            [
                ("answer", *(_said(answer) for answer in answers)),
                ("cites", *(_cited(answer) for answer in answers)),
                ("tokens", *(_fact(a, lambda told: str(told.usage.completion_tokens)) for a in answers)),
                ("took", *(_fact(a, lambda told: seconds(told.timings.total)) for a in answers)),
                ("run", *(_fact(a, lambda told: told.run_id) for a in answers)),
            ],
        )
    return all(isinstance(answer, ChatResponse) for answer in answers)


def _said(answer: ChatResponse | OloError) -> str:
    return answer.message.content if isinstance(answer, ChatResponse) else f"({answer.message})"


def _cited(answer: ChatResponse | OloError) -> str:
    return _fact(answer, lambda told: ", ".join(c.source for c in told.citations if c.cited) or "-")


def _fact(answer: ChatResponse | OloError, tell: Any) -> str:
    return str(tell(answer)) if isinstance(answer, ChatResponse) else "-"


def _as_json(model: str, answer: ChatResponse | OloError) -> dict[str, Any]:
    if isinstance(answer, ChatResponse):
        return {"asked": model, "answer": as_dict(answer)}
    return {"asked": model, "error": {"reason": answer.reason, "message": answer.message}}
