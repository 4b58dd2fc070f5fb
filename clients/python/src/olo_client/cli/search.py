"""`olo search`."""

from __future__ import annotations

from typing import Annotated

import typer

from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Collection, Target
from olo_client.cli.output import as_dict, write_json, write_table
from olo_client.client import Olo


def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    collection: Collection,
    top_k: Annotated[int, typer.Option(min=1, max=50, help="How many passages.")] = 4,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Finds the passages nearest in meaning to a query."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        passages = olo.search(collection, query, top_k=top_k)
    if as_json:
        write_json([as_dict(passage) for passage in passages])
    else:
        write_table(
            ("score", "title", "source", "text"),
            ((f"{p.score:.3f}", p.title, p.source, " ".join(p.text.split())) for p in passages),
        )
