"""An engine process whose batches never make a step: it answers, and its native code does not come back."""

from __future__ import annotations

import threading
from typing import Any

from olo_llm_worker.adapters import engine_process


def _never(*_: Any) -> None:
    threading.Event().wait()


if __name__ == "__main__":
    vars(engine_process)["_generate"] = _never
    engine_process.main()
