"""The examples of the Python client against a real stack, as a user would start them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from olo_testing.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "clients/python/examples"
SAY = {
    "ask.py": ["1908", "tram.md"],
    "stream.py": ["has ended: True"],
    "many_questions.py": ["water", "comet", "1902"],
    "upload.py": ["100 %", "passages", "1908"],
}
"""What each of them must have said."""


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAY)


@pytest.mark.parametrize("name", SAY)
def test_it_works(stack: Stack, name: str) -> None:
    command = [sys.executable, str(EXAMPLES / name)]
    if name == "upload.py":
        command.append(str(ROOT / "samples/documents/tram.md"))
    done = subprocess.run(command, env=stack.env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    for words in SAY[name]:
        assert words in done.stdout, done.stdout
