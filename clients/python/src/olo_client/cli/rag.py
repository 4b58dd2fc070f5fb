"""`olo rag`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from olo_client.async_client import AsyncOlo
from olo_client.cli.options import TARGET, AsJson, Target
from olo_client.cli.output import write_json, write_table
from olo_client.evaluation.dataset import Dataset, DatasetError, read_dataset
from olo_client.evaluation.running import (
    AnswerQuality,
    K,
    SearchQuality,
    Way,
    ingest_dataset,
    measure_answers,
    measure_search,
)

app = typer.Typer(help="Retrieval, and how good it is.", no_args_is_help=True)


@app.command("eval")
def evaluate(
    dataset: Annotated[Path, typer.Argument(help="A folder with documents.jsonl and questions.jsonl.")],
    *,
    collection: Annotated[
        str | None, typer.Option(help="Where the documents go, and stay; left out: eval-<name of the folder>.")
    ] = None,
    retriever: Annotated[list[str] | None, typer.Option(help="What to measure; may be repeated.")] = None,
    rerank: Annotated[bool, typer.Option(help="Measure each retriever with the reranker too.")] = False,
    answers: Annotated[bool, typer.Option(help="Ask a model every question too, and measure its citations.")] = False,
    model: Annotated[str, typer.Option(help="The model that answers.")] = "auto",
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Measures retrieval, and with --answers the answers, on questions whose documents are known."""
    try:
        data = read_dataset(dataset)
    except DatasetError as error:
        raise typer.BadParameter(str(error), param_hint="DATASET") from None
    names = retriever or ["dense", "sparse", "hybrid"]
    ways = [Way(name, again) for name in names for again in ((False, True) if rerank else (False,))]
    name = collection or f"eval-{data.name}"
    found, answered = asyncio.run(_evaluate(target, name, data, ways, model if answers else None))
    if as_json:
        searches = {way.name: asdict(quality) for way, quality in found.items()}
        write_json({"k": K, "search": searches, "answers": asdict(answered) if answered else None})
        return
    write_table(
        ("retriever", f"nDCG@{K}", f"recall@{K}", "MRR", "questions"),
        ((way.name, _share(q.ndcg), _share(q.recall), _share(q.mrr), q.questions) for way, q in found.items()),
    )
    if answered:
        shares = (
            ("citation precision", answered.citation_precision),
            ("groundedness", answered.groundedness),
            ("supported marks", answered.supported),
            ("answered", answered.answered),
            ("refused", answered.refused),
        )
        columns = [*(name for name, _ in shares), "failed"]
        write_table(columns, [(*(_share(share) for _, share in shares), answered.failed)])


async def _evaluate(
    target: str, collection: str, data: Dataset, ways: Sequence[Way], model: str | None
) -> tuple[dict[Way, SearchQuality], AnswerQuality | None]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        async with AsyncOlo(target) as olo:
            bar = progress.add_task("ingesting", total=len(data.documents))
            async for _ in ingest_dataset(olo, collection, data):
                progress.advance(bar)
            bar = progress.add_task("searching", total=len(ways))
            found = {}
            for way in ways:
                found[way] = await measure_search(olo, collection, data.answerable, way)
                progress.advance(bar)
            if model is None:
                return found, None
            bar = progress.add_task("answering", total=len(data.questions))
            advance = partial(progress.advance, bar)
            return found, await measure_answers(olo, collection, data.questions, model, advance)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
