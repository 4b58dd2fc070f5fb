from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from olo_testing.ports import free_port


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OLO_")}
    return subprocess.run(
        [sys.executable, "-m", "olo_llm_worker", *arguments],
        env={**clean, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_the_variables() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    for name in ("MODEL_DIRECTORY (default: unset)", "MAX_QUEUE (default: 64)", "REPLICAS", "COMPUTE_TYPE"):
        assert f"OLO_LLM_WORKER_{name}" in shown.stdout


def test_missing_settings_are_named() -> None:
    ended = run()
    assert ended.returncode == 1
    assert "OLO_LLM_WORKER_MODEL_ID" in ended.stderr
    assert "OLO_LLM_WORKER_MODEL_DIRECTORY" in ended.stderr


def test_a_bad_model_directory_ends_the_process_with_one_sentence(tmp_path: Path) -> None:
    ended = run(
        OLO_LLM_WORKER_MODEL_ID="m",
        OLO_LLM_WORKER_MODEL_DIRECTORY=str(tmp_path / "nowhere"),
        OLO_LLM_WORKER_PORT="0",
        OLO_LOG_LEVEL="error",
        OLO_NATS_URL=f"nats://127.0.0.1:{free_port()}",
        TEMPORAL_ADDRESS=f"127.0.0.1:{free_port()}",
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"olo-llm-worker: OLO_LLM_WORKER_MODEL_DIRECTORY: {tmp_path / 'nowhere'} is not a directory"
    ]
