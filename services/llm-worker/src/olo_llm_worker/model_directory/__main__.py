"""`python -m olo_llm_worker.model_directory`: the commands `convert`, `pull` and `verify` without the rest of `olo`."""

from __future__ import annotations

from olo_llm_worker.commands import app

if __name__ == "__main__":
    app(prog_name="python -m olo_llm_worker.model_directory")
