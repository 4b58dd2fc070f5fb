"""`olo ingest`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from olo_client.async_client import AsyncOlo
from olo_client.cli.options import TARGET, Collection, Target
from olo_client.ingestion import FileOutcome, ensure_collection, files_under, ingest_files


def ingest(
    path: Annotated[Path, typer.Argument(exists=True, help="A file, or a folder whose .md and .txt files are taken.")],
    collection: Collection,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that one file may take to become ready.")] = 300.0,
    target: Target = TARGET,
) -> None:
    """Ingests documents and waits until searches see them; makes the collection if it is missing."""
    files = files_under(path)
    if not files:
        raise typer.BadParameter(f"{path} holds no .md or .txt file", param_hint="PATH")
    root = path if path.is_dir() else path.parent
    console = Console(stderr=True)
    outcomes = asyncio.run(_ingest(target, collection, root, files, timeout))
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in sorted(failed, key=lambda outcome: outcome.path):
        console.print(f"{outcome.path}: {outcome.error}", style="red", markup=False, highlight=False)
    chunks = sum(outcome.chunk_count for outcome in outcomes)
    print(f"{len(outcomes) - len(failed)} of {len(outcomes)} documents are ready in {collection} ({chunks} passages)")
    if failed:
        raise typer.Exit(1)


async def _ingest(target: str, collection: str, root: Path, files: Sequence[Path], timeout: float) -> list[FileOutcome]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    outcomes: list[FileOutcome] = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("ingesting", total=len(files))
        async with AsyncOlo(target) as olo:
            await ensure_collection(olo, collection)
            async for outcome in ingest_files(olo, collection, root, files, wait_seconds=timeout):
                outcomes.append(outcome)
                progress.advance(bar)
    return outcomes
