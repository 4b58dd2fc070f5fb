"""`olo run`: one prompt from a file, for scripts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from olo_client.cli.options import TARGET, AsJson, Target
from olo_client.cli.output import as_dict, write_json
from olo_client.client import Olo
from olo_client.requests import ChatOptions


def run(
    prompt: Annotated[str, typer.Argument(metavar="FILE", help="A file with the prompt; - is standard input.")] = "-",
    *,
    system: Annotated[Path | None, typer.Option(help="A file with what the model is told beforehand.")] = None,
    collection: Annotated[str | None, typer.Option(help="Answer from the documents of this collection.")] = None,
    model: Annotated[str, typer.Option(help="Model id; auto lets the router choose.")] = "auto",
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer in tokens.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2, help="0 decodes greedily.")] = None,
    wait_for_model: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds to wait for a model where none is available.")
    ] = None,
    priority: Annotated[str, typer.Option(help="interactive, normal or batch: who goes first.")] = "normal",
    request_id: Annotated[str | None, typer.Option(help="The same id gives the same run.")] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the answer.")] = 60.0,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Runs one prompt and writes the answer alone; a run that failed for a passing reason is followed by another."""
    turns = [{"role": "system", "content": _text(str(system), "--system")}] if system else []
    turns.append({"role": "user", "content": sys.stdin.read() if prompt == "-" else _text(prompt, "FILE")})
    options = ChatOptions(
        model=model,
        collection=collection,
        max_tokens=max_tokens,
        temperature=temperature,
        wait_for_model=wait_for_model,
        priority=priority,  # type: ignore[typeddict-item]  # the SDK names the field where it is another word
        request_id=request_id,
    )
    with Olo(target, timeout=timeout) as olo:
        answer = olo.chat(turns, retry=True, **options)
    if as_json:
        write_json(as_dict(answer))
    else:
        print(answer.message.content)


def _text(path: str, hint: str) -> str:
    try:
        return Path(path).read_text()
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{path} is not UTF-8 text", param_hint=hint) from None
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}", param_hint=hint) from None
