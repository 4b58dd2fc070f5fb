"""`olo models convert`, `pull` and `verify`: makes model directories, and says whether one is sound."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olo_llm_worker.errors import ModelDirectoryError

if TYPE_CHECKING:
    from olo_llm_worker.model_directory.loading import ModelDirectory

app = typer.Typer()

_HOME = Path(".olo/models")


class Quantization(enum.StrEnum):
    """Formats of the stored weights."""

    INT8 = "int8"
    INT8_FLOAT32 = "int8_float32"
    INT8_FLOAT16 = "int8_float16"
    INT16 = "int16"
    FLOAT32 = "float32"
    FLOAT16 = "float16"


Output = Annotated[
    Path | None, typer.Option(help="The model directory to make; it must not exist. Default: .olo/models/<name>.")
]
Name = Annotated[str | None, typer.Option(help="Name of the model. Default: that of the source.")]
License = Annotated[
    str | None, typer.Option("--license", help="Licence of the weights, as SPDX. Default: what the model card says.")
]
Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit on the hub. Default: the main branch.")]


@app.command()
def convert(
    source: Annotated[str, typer.Argument(help="Directory of a checkpoint, or its id on a hub (owner/name).")],
    *,
    output: Output = None,
    quantization: Annotated[
        Quantization, typer.Option(help="Format of the stored weights. Those with float16 are for GPUs.")
    ] = Quantization.INT8,
    name: Name = None,
    license_name: License = None,
    revision: Revision = None,
) -> None:
    """Makes a model directory out of a checkpoint in Hugging Face layout.

    Llama, Mistral, Qwen2, Qwen3 and Phi-3 need nothing more; Gemma needs the extra olo-llm-worker[convert].
    """
    from olo_llm_worker.model_directory.conversion import convert as make
    from olo_llm_worker.model_directory.hub import CHECKPOINT_FILES

    with _plain_errors(), _source(source, CHECKPOINT_FILES, revision) as (path, origin):
        title = name or _name(source)
        made = make(
            path,
            output or _HOME / title,
            quantization=quantization.value,
            name=title,
            license_name=license_name,
            origin=origin,
        )
    _tell(made)


@app.command()
def pull(
    source: Annotated[str, typer.Argument(help="Directory of a CTranslate2 model, or its id on a hub (owner/name).")],
    *,
    output: Output = None,
    context_limit: Annotated[
        int | None, typer.Option(min=2, help="Tokens of prompt and answer together, where the model does not say it.")
    ] = None,
    name: Name = None,
    license_name: License = None,
    revision: Revision = None,
) -> None:
    """Makes a model directory out of a model that is in the format of CTranslate2 already."""
    from olo_llm_worker.model_directory.hub import MODEL_DIRECTORY_FILES
    from olo_llm_worker.model_directory.pulling import adopt

    with _plain_errors(), _source(source, MODEL_DIRECTORY_FILES, revision) as (path, origin):
        title = name or _name(source)
        made = adopt(
            path,
            output or _HOME / title,
            name=title,
            context_limit=context_limit,
            license_name=license_name,
            origin=origin,
        )
    _tell(made)


@app.command()
def verify(
    directory: Annotated[Path, typer.Argument(help="A model directory.")],
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON for programs.")] = False,
) -> None:
    """Checks files, shapes, tokenizer, chat template and a short generation. Exits with 1 if one of them fails."""
    from olo_llm_worker.model_directory.verification import verify as try_out

    checks = try_out(directory)
    sound = all(check.ok for check in checks)
    if as_json:
        typer.echo(json.dumps({"ok": sound, "checks": [asdict(check) for check in checks]}, ensure_ascii=False))
    else:
        for check in checks:
            typer.echo(f"{'ok' if check.ok else 'FAILED':<8}{check.name:<12}{check.detail}")
    if not sound:
        raise typer.Exit(1)


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except ModelDirectoryError as error:
        typer.echo(f"olo: {error}", err=True)
        raise typer.Exit(1) from None


@contextmanager
def _source(source: str, files: Sequence[str], revision: str | None) -> Iterator[tuple[Path, str | None]]:
    """The directory that was named, or one with what the hub gives."""
    from olo_llm_worker.model_directory.hub import fetched

    if Path(source).is_dir():
        yield Path(source), None
    else:
        with fetched(source, files, revision=revision) as found:
            yield found


def _name(source: str) -> str:
    """The last part of a path or id, spelt as the id of a model may be."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", Path(source).resolve().name).lstrip("._-") or "model"


def _tell(made: ModelDirectory) -> None:
    manifest = made.manifest
    size = sum(entry.size for entry in manifest.files.values())
    said = (
        manifest.name,
        manifest.family,
        manifest.quantization,
        f"context {manifest.context_limit}",
        manifest.license,
    )
    typer.echo(f"{made.path}: {', '.join(said)}, {size / 1e6:.1f} MB")
