"""`olo ingest`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from olo.retrieval.v1.retrieval_service_pb2 import Document, DocumentState
from olo_client.async_client import AsyncOlo
from olo_client.cli.options import TARGET, AsJson, Collection, Target
from olo_client.cli.output import as_dict, write_done
from olo_client.ingestion import (
    FOLDER_KEY,
    FileOutcome,
    Ingestion,
    delete_missing,
    ensure_collection,
    files_under,
    ingest_files,
    ingest_page,
    of_folder,
)

_PATH_HELP = (
    "A file, a folder, or the URL of a page: text, Markdown, HTML, PDF, DOCX, PPTX, XLSX, CSV, JSON and source code "
    "are taken."
)
_SYNC_HELP = (
    "Keep the collection in step with the folder: files that have not changed are not sent again, and documents that "
    "an earlier --sync of a folder of this name has brought are deleted when their files are gone."
)


def ingest(  # noqa: PLR0917  # one option for each thing that can be said
    source: Annotated[str, typer.Argument(metavar="PATH", help=_PATH_HELP)],
    collection: Collection,
    sync: Annotated[bool, typer.Option("--sync", help=_SYNC_HELP)] = False,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that one file may take to become ready.")] = 300.0,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Ingests documents and waits until searches see them; makes the collection if it is missing."""
    if source.startswith(("http://", "https://")):
        _ingest_page(source, collection, timeout, target, as_json=as_json)
        return
    path = Path(source)
    if not path.exists():
        raise typer.BadParameter(f"{path} does not exist", param_hint="PATH")
    if sync and not path.is_dir():
        raise typer.BadParameter(f"{path} is no folder", param_hint="--sync")
    files = files_under(path)
    if not files and not sync:
        raise typer.BadParameter(f"{path} holds no file whose text can be read", param_hint="PATH")
    order = _Order(target, collection, path if path.is_dir() else path.parent, files, timeout, sync)
    outcomes, deleted = asyncio.run(_ingest(order))
    failed = [outcome for outcome in outcomes if outcome.error]
    console = Console(stderr=True)
    for outcome in sorted(failed, key=lambda outcome: outcome.path):
        console.print(f"{outcome.path}: {outcome.error}", style="red", markup=False, highlight=False)
    chunks = sum(outcome.chunk_count for outcome in outcomes)
    ready = f"{len(outcomes) - len(failed)} of {len(outcomes)} documents are ready in {collection} ({chunks} passages)"
    told = [{"path": str(each.path), "passages": each.chunk_count, "error": each.error} for each in outcomes]
    write_done({"collection": collection, "files": told, "deleted": deleted}, ready, as_json=as_json)
    if sync and not as_json:
        print(f"{deleted} documents are deleted, whose files are gone")
    if failed:
        raise typer.Exit(1)


def _ingest_page(url: str, collection: str, timeout: float, target: str, *, as_json: bool) -> None:
    async def run() -> Document:
        async with AsyncOlo(target) as olo:
            await ensure_collection(olo, collection)
            return await ingest_page(Ingestion(olo, collection, Path(), wait_seconds=timeout), url)

    try:
        document = asyncio.run(run())
    except TimeoutError:
        raise _failure(f"{url}: not ready after {timeout:g} s") from None
    if document.state == DocumentState.DOCUMENT_STATE_FAILED:
        raise _failure(f"{url}: {document.error or 'indexing failed'}")
    ready = f"{document.document_id} is ready in {collection} ({document.chunk_count} passages)"
    write_done(as_dict(document), ready, as_json=as_json)


def _failure(message: str) -> typer.Exit:
    Console(stderr=True).print(message, style="red", markup=False, highlight=False)
    return typer.Exit(1)


@dataclass(frozen=True)
class _Order:
    target: str
    collection: str
    root: Path
    files: Sequence[Path]
    timeout: float
    sync: bool


async def _ingest(order: _Order) -> tuple[list[FileOutcome], int]:
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    folder = order.root.resolve().name
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        percents = dict.fromkeys(order.files, 0.0)
        bar = progress.add_task("ingesting", total=100.0 * len(order.files))

        def report(path: Path, percent: float) -> None:
            percents[path] = percent
            progress.update(bar, completed=sum(percents.values()))

        async with AsyncOlo(order.target) as olo:
            await ensure_collection(olo, order.collection)
            ingestion = Ingestion(
                olo,
                order.collection,
                order.root,
                wait_seconds=order.timeout,
                metadata={FOLDER_KEY: folder} if order.sync else {},
                present=await of_folder(olo, order.collection, folder) if order.sync else {},
                report=report,
            )
            outcomes = [outcome async for outcome in ingest_files(ingestion, order.files)]
            return outcomes, await delete_missing(ingestion, order.files) if order.sync else 0
