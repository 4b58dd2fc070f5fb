"""The real process of an engine, which dies as soon as it is to read the token `MORTAL_TOKEN`.

`MORTAL_DEATHS` is a file that has a byte for each death. It runs as `python -m tests.integration.mortal_engine`, in
place of the one that it wraps.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from olo_llm_worker.adapters import engine_process
from olo_llm_worker.adapters.hearer import Hearer
from olo_llm_worker.adapters.native import NativeGenerator
from olo_llm_worker.generation.engine import Batch


class MortalGenerator(NativeGenerator):
    def generate(self, batch: Batch, hearer: Hearer) -> None:
        if any(int(os.environ["MORTAL_TOKEN"]) in prompt for prompt in batch.prompts):
            with Path(os.environ["MORTAL_DEATHS"]).open("a") as deaths:
                deaths.write("x")
            os.kill(os.getpid(), signal.SIGSEGV)
        super().generate(batch, hearer)


if __name__ == "__main__":
    engine_process.NativeGenerator = MortalGenerator  # type: ignore[misc]
    engine_process.main()
