"""The demo: a fresh stack, sample documents, two questions and, where it stays up, how to ask more."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console

from olo_client import AsyncOlo, OloError
from olo_client.ingestion import Ingestion, ensure_collection, files_under, ingest_files
from olo_local.asking import Answer, ask_over_grpc, ask_over_http
from olo_local.errors import StackError
from olo_local.progress import Progress
from olo_local.report import show_answer, show_honest_words, show_ways_to_ask
from olo_local.session import Stack, running_stack
from olo_local.settings import LocalSettings

COLLECTION = "demo"
QUESTIONS = (
    "When did the harbour tram of Saltmere begin to run?",
    "When is the library closed?",
)


async def run_demo(settings: LocalSettings, *, once: bool, as_json: bool) -> None:
    """Runs the demo in the foreground.

    Args:
        settings: Where and on which ports.
        once: End after the answers; else stay up until cancelled.
        as_json: Write one JSON line for each answer to standard output, and nothing else.

    Raises:
        StackError: The stack does not start, or a step of the demo fails; nothing is left running.
    """
    if settings.tls.cert_file is not None:
        raise StackError("the demo shows calls without TLS: unset OLO_TLS_CERT_FILE, or start the stack with `olo up`")
    told = Console(stderr=True)
    with Progress(told) as progress:
        async with (
            running_stack(settings, "demo", progress.told) as stack,
            AsyncOlo(stack.ports.address("gateway")) as olo,
        ):
            try:
                await _ingest(olo, settings.root / "samples" / "documents", told)
                for answer in (
                    await ask_over_http(stack.ports.address("gateway_http"), olo, QUESTIONS[0], COLLECTION),
                    await ask_over_grpc(olo, QUESTIONS[1], COLLECTION),
                ):
                    _show(answer, stack, as_json)
            except OloError as error:
                raise StackError(f"the demo cannot go on: {error.message}") from error
            if not as_json:
                show_honest_words(Console())
            if once:
                told.print("the stack stops now; `make demo` keeps it up, and shows how to ask it more")
                return
            if not as_json:
                show_ways_to_ask(Console(), stack.ports, QUESTIONS[0], COLLECTION)
            told.print("the stack stays up until Ctrl-C")
            await stack.over()


def _show(answer: Answer, stack: Stack, as_json: bool) -> None:
    if as_json:
        print(answer.as_json(), flush=True)
    else:
        show_answer(Console(), answer, stack.ports)


async def _ingest(olo: AsyncOlo, folder: Path, told: Console) -> None:
    files = await asyncio.to_thread(files_under, folder)
    if not files:
        raise StackError(f"{folder} holds no sample documents: run from a checkout, or set OLO_LOCAL_ROOT to one")
    await ensure_collection(olo, COLLECTION)
    chunks = 0
    async for outcome in ingest_files(Ingestion(olo, COLLECTION, folder), files):
        if outcome.error:
            raise StackError(f"{outcome.path.name} cannot be ingested: {outcome.error}")
        chunks += outcome.chunk_count
    told.print(f"ingested {len(files)} documents into the collection {COLLECTION} ({chunks} passages)")
