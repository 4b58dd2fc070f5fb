"""`olo chat`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from olo_client.cli.answers import write_stream
from olo_client.cli.comparing import compare
from olo_client.cli.conversation import converse
from olo_client.cli.grounding import write_sources
from olo_client.cli.options import TARGET, AsJson, Target, Where, metadata_of
from olo_client.cli.output import as_dict, write_json
from olo_client.client import Olo
from olo_client.requests import ChatOptions


def chat(
    question: Annotated[
        str | None,
        typer.Argument(help="What to ask; - reads it from standard input. Left out at a terminal: a conversation."),
    ] = None,
    *,
    collection: Annotated[str | None, typer.Option(help="Answer from the documents of this collection.")] = None,
    top_k: Annotated[int | None, typer.Option(min=1, max=50, help="How many passages.")] = None,
    rag_mode: Annotated[
        str | None, typer.Option(help="optional: answer without passages where nothing can be searched.")
    ] = None,
    retriever: Annotated[str | None, typer.Option(help="dense, sparse or hybrid.")] = None,
    where: Where = None,
    rewrite: Annotated[
        str | None, typer.Option(help="multi_query, hyde or condense: a model rewrites the question to search with.")
    ] = None,
    model: Annotated[str, typer.Option(help="Model id; auto lets the router choose.")] = "auto",
    beside: Annotated[
        str, typer.Option("--compare", metavar="A,B", help="Ask these models, and show their answers side by side.")
    ] = "",
    fallback: Annotated[bool, typer.Option(help="Let another model answer where the named one cannot.")] = False,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest answer in tokens.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2, help="0 decodes greedily.")] = None,
    wait_for_model: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds to wait for a model where none is available.")
    ] = None,
    priority: Annotated[str, typer.Option(help="interactive, normal or batch: who goes first.")] = "normal",
    profile: Annotated[str, typer.Option(help="What the choice of a model weighs; see olo models rankings.")] = "",
    conversation: Annotated[str, typer.Option(help="The same id stays with the same model.")] = "",
    request_id: Annotated[str | None, typer.Option(help="The same id gives the same run.")] = None,
    store: Annotated[bool, typer.Option(help="Let the run go on when you leave before its end.")] = False,
    stream: Annotated[bool, typer.Option(help="Write the answer as it comes.")] = True,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the answer.")] = 60.0,
    as_json: AsJson = False,
    target: Target = TARGET,
) -> None:
    """Asks a model; with --collection, one that reads your documents first."""
    models = [name.strip() for name in beside.split(",")] if beside else []
    _check(question, models, as_json=as_json)
    options = ChatOptions(
        model=model,
        collection=collection,
        top_k=top_k,
        rag_mode=rag_mode,  # type: ignore[typeddict-item]  # the SDK names the field where it is another word
        retriever=retriever,
        where=metadata_of(where),
        query_rewriting=rewrite,  # type: ignore[typeddict-item]
        max_tokens=max_tokens,
        temperature=temperature,
        allow_fallback=fallback,
        wait_for_model=wait_for_model,
        priority=priority,  # type: ignore[typeddict-item]  # the SDK names the field where it is another word
        profile=profile,
        conversation_id=conversation,
        request_id=request_id,
        store=store,
    )
    with Olo(target, timeout=timeout) as olo:
        if question is None:
            converse(olo, options)
            return
        text = sys.stdin.read() if question == "-" else question
        if models:
            if not compare(olo, text, models, options, as_json=as_json):
                raise typer.Exit(1)
        elif as_json:
            write_json(as_dict(olo.chat(text, **options)))
        elif stream:
            write_stream(olo.chat_stream(text, **options))
        else:
            response = olo.chat(text, **options)
            print(response.message.content)
            write_sources(response)


def _check(question: str | None, models: list[str], *, as_json: bool) -> None:
    if models and (len(models) < 2 or not all(models)):
        raise typer.BadParameter("name two models or more, as in a,b", param_hint="--compare")
    if question is None and (models or as_json or not sys.stdin.isatty()):
        raise typer.BadParameter("ask something, or - to read it from standard input", param_hint="QUESTION")
