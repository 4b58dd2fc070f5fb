"""What the demo writes for people."""

from __future__ import annotations

import json

from rich.console import Console
from rich.text import Text

from olo_local.asking import TOP_K, Answer
from olo_local.ports import Ports

_HONEST_WORDS = (
    "This is a tiny demonstration model: it answers by repeating a sentence of the passages, and every third time "
    "the wrong one. What it shows is the path of a request, not the wit of a model."
)


def show_answer(console: Console, answer: Answer, ports: Ports) -> None:
    """Question, answer, citations, the model and why, times, the run."""
    console.print()
    console.print(Text(f"Question ({answer.via}): {answer.question}", style="bold"))
    console.print(Text(f"Answer: {answer.text}", style="green"))
    for citation in answer.citations:
        mark = "*" if citation["cited"] else " "
        line = f" {mark}[{citation['index']}] {citation['title']} ({citation['source']}), score {citation['score']:.3f}"
        console.print(Text(line, style="dim"))
    console.print(Text(f"Model: {answer.model} ({answer.why or 'no reason given'})"))
    times = ", ".join(f"{step} {seconds * 1000:.0f} ms" for step, seconds in answer.timings.items())
    console.print(Text(f"Times: {times}"))
    ui = ports.address("temporal_ui")
    console.print(Text(f"Run:   http://{ui}/namespaces/default/workflows/{answer.run_id}"), soft_wrap=True)


def show_honest_words(console: Console) -> None:
    """What to expect of the demonstration model."""
    console.print()
    console.print(Text(_HONEST_WORDS, style="yellow"))


def show_ways_to_ask(console: Console, ports: Ports, question: str, collection: str) -> None:
    """Lines to copy, for as long as the stack is up."""
    for title, lines in _ways(ports, question, collection):
        console.print()
        console.print(Text(title, style="bold"))
        console.print(Text(lines), soft_wrap=True)


def _ways(ports: Ports, question: str, collection: str) -> list[tuple[str, str]]:
    http, grpc = ports.address("gateway_http"), ports.address("gateway")
    rag = {"collection": collection, "top_k": TOP_K}
    turn = [{"role": "user", "content": question}]
    over_http = json.dumps({"model": "auto", "messages": turn, "rag": rag})
    over_grpc = json.dumps({"messages": [{"role": "ROLE_USER", "content": question}], "rag": rag})
    return [
        ("curl", f"curl -s http://{http}/v1/chat/completions -H 'Content-Type: application/json' -d '{over_http}'"),
        (
            "OpenAI SDK",
            "from openai import OpenAI\n"
            f'client = OpenAI(base_url="http://{http}/v1", api_key="none")\n'
            f'client.chat.completions.create(model="auto", messages={json.dumps(turn)}, '
            f'extra_body={{"rag": {json.dumps(rag)}}})',
        ),
        ("grpcurl", f"grpcurl -plaintext -d '{over_grpc}' {grpc} olo.gateway.v1.GatewayService/Chat"),
        ("olo", f'.venv/bin/olo chat "{question}" --collection {collection} --target {grpc}'),
    ]
