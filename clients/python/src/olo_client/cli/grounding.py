"""What an answer rests on, as commands show it."""

from __future__ import annotations

from rich.console import Console

from olo.gateway.v1.run_pb2 import ChatResponse, Grounding, GroundingState
from olo_client.cli.output import enum_word


def write_sources(response: ChatResponse) -> None:
    """Citations and origin go to standard error, so that a pipe gets the answer alone."""
    console = Console(stderr=True, highlight=False, markup=False)
    for citation in response.citations:
        mark = "*" if citation.cited else " "
        left_out = ", left out" if citation.left_out else ""
        console.print(
            f"{mark}[{citation.index}] {citation.title} ({citation.source}) {citation.score:.3f}{left_out}", style="dim"
        )
    for line in remarks(response.grounding):
        console.print(line, style="yellow")
    console.print(f"model {response.model}, run {response.run_id}", style="dim")


def remarks(grounding: Grounding) -> list[str]:
    """What a reader of an answer should know of its sources beyond their list."""
    told = []
    state = enum_word(GroundingState.Name(grounding.state), "GROUNDING_STATE_")
    if state not in ("unspecified", "grounded"):
        reason = f" ({grounding.failure_reason})" if grounding.failure_reason else ""
        told.append(f"answered without passages: {state}{reason}")
    if grounding.passages_left_out:
        told.append(f"passages left out, because they do not fit the model: {grounding.passages_left_out}")
    if grounding.rewriting_failure:
        told.append(f"the question was not rewritten: {grounding.rewriting_failure}")
    if doubtful := sorted({mark.index for mark in grounding.marks if not mark.supported}):
        told.append(f"marks without support in their passage: {', '.join(f'[{index}]' for index in doubtful)}")
    return told
