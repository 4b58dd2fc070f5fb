"""`olo benchmarks`."""

from __future__ import annotations

from typing import Annotated

import typer

from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, moment, write_done, write_json, write_table
from olo_client.client import Olo

app = typer.Typer(help="What others have published about the models.", no_args_is_help=True)


@app.command("sources")
def sources(as_json: AsJson = False, target: Target = TARGET) -> None:
    """Lists the sources, with the age of what they said last."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = olo.benchmarks.sources()
    if as_json:
        write_json([as_dict(source) for source in found])
    else:
        write_table(
            ("source", "records", "of", "asked", "problem"),
            ((s.source, s.records, moment(s.fetch_time), moment(s.check_time), s.problem or "-") for s in found),
        )


@app.command("facts")
def facts(
    model_id: Annotated[str, typer.Argument(help="The model.")], as_json: AsJson = False, target: Target = TARGET
) -> None:
    """Shows what the sources say of a model."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = olo.benchmarks.facts(model_id)
    if as_json:
        write_json([as_dict(fact) for fact in found])
    else:
        write_table(
            ("fact", "value", "source", "record", "of"),
            ((f.name, f.value, f.source, f.record, moment(f.observe_time)) for f in found),
        )


@app.command("review")
def review(as_json: AsJson = False, target: Target = TARGET) -> None:
    """Lists the models of which it is doubtful which record means them."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = olo.benchmarks.reviews()
    if as_json:
        write_json([as_dict(item) for item in found])
    else:
        write_table(
            ("model", "source", "may be", "doubtful"),
            ((i.model_id, i.source, c.record, ", ".join(c.doubts)) for i in found for c in i.candidates),
        )


@app.command("decide")
def decide(
    model_id: Annotated[str, typer.Argument(help="The model.")],
    source: Annotated[str, typer.Argument(help="openrouter, lmarena or hugging_face.")],
    record: Annotated[str, typer.Argument(help="The source's name of the model; left out: it has none.")] = "",
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Says which record of a source means a model, or that none does."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        olo.benchmarks.decide(model_id, source, record or None)
    decided = {"model_id": model_id, "source": source, "record": record or None}
    write_done(decided, f"{model_id} is {record or 'not known'} at {source}", as_json=as_json)
