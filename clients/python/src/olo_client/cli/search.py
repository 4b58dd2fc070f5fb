"""`olo search`."""

from __future__ import annotations

from typing import Annotated

import typer

from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Collection, Target, Where, metadata_of
from olo_client.cli.output import as_dict, write_json, write_table
from olo_client.client import Olo


def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    *,
    collection: Collection,
    top_k: Annotated[int, typer.Option(min=1, max=50, help="How many passages.")] = 4,
    min_score: Annotated[float | None, typer.Option(help="Least cosine similarity.")] = None,
    retriever: Annotated[
        str | None, typer.Option(help="dense, sparse or hybrid; left out: as the service is set.")
    ] = None,
    where: Where = None,
    mmr_lambda: Annotated[
        float | None, typer.Option(min=0, max=1, help="Less makes passages differ more from each other.")
    ] = None,
    rerank: Annotated[bool, typer.Option(help="Order the best anew with the reranker.")] = False,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Finds the passages that fit a query, by meaning and by words."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        passages = olo.search(
            collection,
            query,
            top_k=top_k,
            min_score=min_score,
            retriever=retriever,
            where=metadata_of(where),
            mmr_lambda=mmr_lambda,
            rerank=rerank,
        )
    if as_json:
        write_json([as_dict(passage) for passage in passages])
    else:
        write_table(
            ("score", "title", "source", "text"),
            ((f"{p.score:.3f}", p.title, p.source, " ".join(p.text.split())) for p in passages),
        )
