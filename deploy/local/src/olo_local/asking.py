"""The questions of the demo: asked as applications would, answered with what the run tells of itself."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration

from olo.gateway.v1.run_pb2 import ChatResponse
from olo_client import AsyncOlo
from olo_local.errors import StackError

TOP_K = 4
"""The demonstration model finds its way among few passages better than among many."""
_SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """An answer of the demo.

    Attributes:
        question: What was asked.
        via: `HTTP` or `gRPC`.
        text: The answer.
        model: The model that gave it.
        why: Why that model was chosen.
        run_id: The durable run.
        citations: The passages: index, title, source, score, text, cited.
        timings: Seconds by step.
    """

    question: str
    via: str
    text: str
    model: str
    why: str
    run_id: str
    citations: Sequence[Mapping[str, Any]]
    timings: Mapping[str, float]

    def as_json(self) -> str:
        """The answer as one line for programs."""
        return json.dumps(
            {
                "question": self.question,
                "answer": self.text,
                "citations": self.citations,
                "model": self.model,
                "run_id": self.run_id,
                "timings": self.timings,
            },
            ensure_ascii=False,
        )


async def ask_over_http(http: str, olo: AsyncOlo, question: str, collection: str) -> Answer:
    """Asks as an OpenAI client would; what the run tells of itself comes from GetRun.

    Raises:
        StackError: The gateway has refused.
    """
    body = {
        "model": "auto",
        "messages": [{"role": "user", "content": question}],
        "rag": {"collection": collection, "top_k": TOP_K},
    }
    reply = await asyncio.to_thread(_post, f"http://{http}/v1/chat/completions", body)
    run = await olo.runs.get(reply["olo"]["run_id"])
    return answer_from(question, "HTTP", run.response)


async def ask_over_grpc(olo: AsyncOlo, question: str, collection: str) -> Answer:
    """Asks with the Python client."""
    response = await olo.chat(question, collection=collection, top_k=TOP_K, timeout=_SECONDS)
    return answer_from(question, "gRPC", response)


def _post(url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - our own http URL
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as reply:  # noqa: S310 - our own http URL
            answer: dict[str, Any] = json.load(reply)
            return answer
    except urllib.error.HTTPError as error:
        raise StackError(f"the gateway answered the question with HTTP {error.code}; see `olo logs gateway`") from error
    except OSError as error:
        raise StackError("the gateway did not answer over HTTP; see `olo logs gateway`") from error


def answer_from(question: str, via: str, response: ChatResponse) -> Answer:
    """An answer from the gateway's message."""
    chosen = response.selection.chosen_index
    candidates = response.selection.candidates
    return Answer(
        question=question,
        via=via,
        text=response.message.content,
        model=response.model,
        why=candidates[chosen].explanation if chosen < len(candidates) else "",
        run_id=response.run_id,
        citations=[
            {
                "index": citation.index,
                "document_id": citation.document_id,
                "title": citation.title,
                "source": citation.source,
                "chunk_id": citation.chunk_id,
                "score": round(citation.score, 4),
                "text": citation.text,
                "cited": citation.cited,
            }
            for citation in response.citations
        ],
        timings={
            "retrieve": _seconds(response.timings.retrieve),
            "select": _seconds(response.timings.select),
            "generate": _seconds(response.timings.generate),
            "total": _seconds(response.timings.total),
        },
    )


def _seconds(duration: Duration) -> float:
    return round(duration.ToTimedelta().total_seconds(), 4)
