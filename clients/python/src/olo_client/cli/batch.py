"""`olo batch`."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from olo.gateway.v1.batch_service_pb2 import (
    BATCH_STATUS_CANCELLED,
    BATCH_STATUS_COMPLETED,
    BATCH_STATUS_EXPIRED,
    BATCH_STATUS_FAILED,
    Batch,
    BatchStatus,
)
from olo_client.cli.options import FEW_ATTEMPTS, TARGET, AsJson, Target
from olo_client.cli.output import as_dict, enum_word, moment, write_bytes, write_json, write_table
from olo_client.client import Olo
from olo_client.transfers import BatchOptions

app = typer.Typer(help="Many requests in one file, answered when there is room.", no_args_is_help=True)

BatchId = Annotated[str, typer.Argument(help="The batch.")]
_ENDED: Final = (BATCH_STATUS_COMPLETED, BATCH_STATUS_FAILED, BATCH_STATUS_EXPIRED, BATCH_STATUS_CANCELLED)
_UNITS: Final = {"m": 60, "h": 3600, "d": 24 * 3600}
_LOOK_SECONDS: Final = 1.0


@app.command("create")
def create(
    source: Annotated[str, typer.Argument(metavar="FILE", help="A JSON Lines file, or the id of one uploaded before.")],
    *,
    endpoint: Annotated[str, typer.Option(help="Where the lines go.")] = "/v1/chat/completions",
    window: Annotated[str, typer.Option(help="How long it may take: 90m, 24h, 7d.")] = "24h",
    metadata: Annotated[list[str] | None, typer.Option("--metadata", metavar="KEY=VALUE", help="A note.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Starts a batch; exits with 1 where it was waited for and has not completed."""
    options = BatchOptions(endpoint=endpoint, completion_window=_seconds(window), metadata=_notes(metadata or []))
    with Olo(target) as olo:
        file_id = source
        if not source.startswith("file-") or Path(source).exists():
            path = Path(source)
            if not path.is_file():
                raise typer.BadParameter(f"{source} does not exist", param_hint="FILE")
            file_id = olo.files.upload(path, purpose="batch").file_id
        batch = olo.batches.create(file_id, **options)
        if wait:
            batch = _waited(olo, batch)
    _show(batch, as_json)
    if wait and batch.status != BATCH_STATUS_COMPLETED:
        raise typer.Exit(1)


@app.command("get")
def get(batch_id: BatchId, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Shows a batch."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        _show(olo.batches.get(batch_id), as_json)


@app.command("list")
def list_batches(
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Lists the batches, newest first."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        found = list(olo.batches.list(limit))
    if as_json:
        write_json([as_dict(batch) for batch in found])
    else:
        write_table(
            ("batch", "status", "done", "failed", "of", "created"),
            (
                (b.batch_id, _status(b), b.completed_count, b.failed_count, b.total_count, moment(b.create_time))
                for b in found
            ),
        )


@app.command("cancel")
def cancel(batch_id: BatchId, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Stops a batch; what is done stays."""
    with Olo(target) as olo:
        _show(olo.batches.cancel(batch_id), as_json)


@app.command("pause")
def pause(batch_id: BatchId, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Begins no further line for now; those in flight end."""
    with Olo(target) as olo:
        _show(olo.batches.pause(batch_id), as_json)


@app.command("resume")
def resume(batch_id: BatchId, as_json: AsJson = False, target: Target = TARGET) -> None:
    """Goes on with a batch that was paused."""
    with Olo(target) as olo:
        _show(olo.batches.resume(batch_id), as_json)


@app.command("results")
def results(
    batch_id: BatchId,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where; left out: standard output.")] = None,
    target: Target = TARGET,
) -> None:
    """Writes the results that there are, as JSON Lines; of a batch that runs too."""
    with Olo(target, attempts=FEW_ATTEMPTS) as olo:
        olo.batches.get(batch_id)
        write_bytes(olo.batches.results(batch_id), output)


def _waited(olo: Olo, batch: Batch) -> Batch:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(_status(batch), total=None)
        while True:
            done = batch.completed_count + batch.failed_count
            progress.update(task, description=_status(batch), completed=done, total=batch.total_count or None)
            if batch.status in _ENDED:
                return batch
            time.sleep(_LOOK_SECONDS)
            batch = olo.batches.get(batch.batch_id)


def _show(batch: Batch, as_json: bool) -> None:
    if as_json:
        write_json(as_dict(batch))
        return
    print(f"{batch.batch_id}  {_status(batch)}")
    print(f"lines   {batch.total_count}, {batch.completed_count} done, {batch.failed_count} failed")
    for name, file_id in (("output", batch.output_file_id), ("errors", batch.error_file_id)):
        if file_id:
            print(f"{name}  {file_id}")
    for error in batch.errors:
        where = f"line {error.line}: " if error.line else ""
        print(f"  {where}{error.message}")


def _status(batch: Batch) -> str:
    return "paused" if batch.paused else enum_word(BatchStatus.Name(batch.status), "BATCH_STATUS_")


def _seconds(window: str) -> float:
    if (told := re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", window)) is None:
        raise typer.BadParameter("must be a number with m, h or d behind it, such as 24h", param_hint="--window")
    return float(int(told[1]) * _UNITS[told[2]])


def _notes(given: list[str]) -> dict[str, str]:
    notes = dict(each.partition("=")[::2] for each in given)
    if any("=" not in each for each in given):
        raise typer.BadParameter("must be KEY=VALUE", param_hint="--metadata")
    return notes
