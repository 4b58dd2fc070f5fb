"""What the guides show first, typed as it stands there: the answers are those of the pages."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from olo_testing.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
RUN = re.compile(r"run-[0-9a-f]{32}")


def shown(guide: str) -> list[tuple[list[str], list[str]]]:
    """Each command of the first block of a guide, without the program, with the lines that follow it."""
    text = (ROOT / "docs/guides" / f"{guide}.md").read_text()
    block = re.findall(r"```console\n(.*?)```", text, re.DOTALL)[0].replace("\\\n", " ")
    commands = (each.splitlines() for each in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:])
    return [
        (shlex.split(command)[1:], [line.rstrip() for line in said if line.strip()])
        for command, *said in commands
        if command.startswith(".venv/bin/olo ")
    ]


def said(stack: Stack, arguments: list[str]) -> list[str]:
    return [line.rstrip() for line in stack.olo(*arguments).splitlines() if line.strip()]


def test_answers_with_citations(stack: Stack) -> None:
    (ingest, _), (asked, answered), (unknown, _) = shown("answers-with-citations")
    assert "demo (48 passages)" in said(stack, ingest)[-1]
    answer = json.loads(stack.olo(*asked, "--json"))
    assert "1908" in answer["message"]["content"]
    assert "1908" in answered[0]
    passages = [re.sub(r"^[* ]", "", line.rpartition(" ")[0]) for line in answered[1:-1]]
    assert [f"[{each['index']}] {each['title']} ({each['source']})" for each in answer["citations"]] == passages
    assert said(stack, unknown)


def test_why_a_model_was_chosen(stack: Stack) -> None:
    question = "When did the harbour tram of Saltmere begin to run?"
    run = json.loads(stack.olo("chat", question, "--collection", "demo", "--json"))["run_id"]
    (explain, explained), (replay, replayed) = shown("see-why-a-model-was-chosen")
    told = said(stack, [RUN.sub(run, each) for each in explain])
    assert headings(told) == headings(explained)
    assert len(headings(told)) == 3
    assert any("It is the default model" in line for line in told)
    told = said(stack, [RUN.sub(run, each) for each in replay])
    # What the small model garbles may differ between processors.
    assert [RUN.sub("", line) for line in told[:2]] == [RUN.sub("", line) for line in replayed[:2]]


def headings(lines: list[str]) -> list[list[str]]:
    """The first lines of the tables."""
    words = [line.split() for line in lines]
    return [each for each in words if each[0] in ("model", "rejected", "attempt")]
