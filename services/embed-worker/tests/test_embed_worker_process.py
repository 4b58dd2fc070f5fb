"""The process: its help, and how it ends where it cannot start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OLO_", "TEMPORAL_"))}
    command = [sys.executable, "-m", "olo_embed_worker", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**environment, **variables}
    )


def test_help_lists_the_variables() -> None:
    ended = run("--help")
    assert ended.returncode == 0
    assert "OLO_EMBED_WORKER_MODEL (default: required)" in ended.stdout
    assert "OLO_EMBED_WORKER_BATCH_WINDOW_SECONDS" in ended.stdout


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"OLO_EMBED_WORKER_MODEL_ID": "m"}, "OLO_EMBED_WORKER_MODEL: "),
        ({"OLO_EMBED_WORKER_MODEL_ID": "m", "OLO_EMBED_WORKER_MODEL": "/no/such/model"}, "neither a directory"),
        ({"OLO_EMBED_WORKER_MODEL_ID": "../m", "OLO_EMBED_WORKER_MODEL": "x"}, "OLO_EMBED_WORKER_MODEL_ID: "),
    ],
)
def test_what_is_missing_is_one_sentence_and_exit_code_1(variables: dict[str, str], message: str) -> None:
    ended = run(**variables, OLO_EMBED_WORKER_PORT="0")
    assert ended.returncode == 1
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_an_empty_directory_is_no_model(tmp_path: Path) -> None:
    ended = run(OLO_EMBED_WORKER_MODEL_ID="m", OLO_EMBED_WORKER_MODEL=str(tmp_path), OLO_EMBED_WORKER_PORT="0")
    assert ended.returncode == 1
    assert ended.stderr.endswith(f"the model directory {tmp_path} holds no tokenizer.json\n")
