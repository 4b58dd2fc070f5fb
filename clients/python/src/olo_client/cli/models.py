"""`olo models`."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from olo.common.v1.common_pb2 import ModelType
from olo_client.cli import policy, rankings
from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, enum_word, write_json, write_table
from olo_client.client import Olo

app = typer.Typer(help="Models that can be asked for, and what the operator decides of them.", no_args_is_help=True)
app.add_typer(policy.app)
app.add_typer(rankings.app)


class Kind(enum.StrEnum):
    """What a model does."""

    LLM = "llm"
    EMBEDDING = "embedding"


@app.command("list")
def list_models(
    kind: Annotated[Kind | None, typer.Option(help="Only models of this kind.")] = None,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Lists the models."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = list(olo.models.list(kind.value if kind else None))
    if as_json:
        write_json([as_dict(model) for model in found])
    else:
        write_table(
            ("model", "kind", "priority", "default", "available", "instances", "in flight", "context"),
            (
                (
                    m.model_id,
                    enum_word(ModelType.Name(m.model_type), "MODEL_TYPE_"),
                    m.priority,
                    "yes" if m.default_flag else "",
                    "yes" if m.available else "no",
                    m.instances,
                    f"{m.in_flight}/{m.max_concurrency}",
                    m.context_limit,
                )
                for m in found
            ),
        )
