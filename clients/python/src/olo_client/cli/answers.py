"""How an answer is written, as a whole or as it comes."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from olo.gateway.v1.gateway_service_pb2 import ChatStreamResponse
from olo.gateway.v1.run_pb2 import ChatResponse, RunPhase
from olo_client.cli.grounding import write_sources
from olo_client.cli.output import enum_word


def write_stream(events: Iterable[ChatStreamResponse]) -> ChatResponse | None:
    """Writes an answer as it comes, and its sources; gives it, where it has come to its end."""
    console = Console(stderr=True, highlight=False, markup=False)
    answer = None
    for event in events:
        kind = event.WhichOneof("event")
        if kind == "delta":
            print(event.delta.text, end="", flush=True)
        elif kind == "reset":
            print("\n[the answer begins again]")
        elif kind == "progress":
            phase = enum_word(RunPhase.Name(event.progress.phase), "RUN_PHASE_")
            console.print(f"[{phase}]", style="dim")
        elif kind == "completed":
            print(flush=True)
            answer = event.completed
            write_sources(answer)
    return answer
