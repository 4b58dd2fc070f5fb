"""The engine in a process of its own: what native code breaks, it breaks there.

One process holds the model for all replicas, which share its weights. The worker keeps the text side, writes batches
and rows to end, and reads tokens on its event loop; no thread of the worker waits for the engine.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from olo_common.logs import logger
from olo_llm_worker.adapters.engine_line import EngineLine
from olo_llm_worker.adapters.frames import Check, Load
from olo_llm_worker.adapters.gpu import tokens_that_fit
from olo_llm_worker.adapters.model_text import ModelText
from olo_llm_worker.generation.engine import Batch, EngineInfo, Listener
from olo_llm_worker.generation.types import Message, Tool
from olo_llm_worker.model_directory import ModelDirectory
from olo_llm_worker.model_directory.manifest import MODEL, TOKENIZER, VOCABULARY
from olo_llm_worker.model_directory.model_bin import read_model_bin
from olo_llm_worker.model_directory.shapes import cache_values_per_token
from olo_llm_worker.telemetry import BATCHES

STALL_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Placement:
    """How the model is computed.

    Args:
        device: cpu, cuda or auto.
        compute_type: Number format of the computation; `default` is the nearest to the stored weights.
        replicas: Batches computed at the same time, on shared weights.
        intra_threads: CPU threads of one batch; 0 lets the engine choose.
    """

    device: str = "cpu"
    compute_type: str = "default"
    replicas: int = 1
    intra_threads: int = 1


async def start_engine(
    directory: ModelDirectory, placement: Placement, *, stall_seconds: float = STALL_SECONDS
) -> ChildEngine:
    """Starts a process and has it load the model. Being cancelled ends it.

    Args:
        directory: The model.
        placement: Where and how it is computed.
        stall_seconds: How long a step may take; a process that is silent for twice as long is killed.

    Raises:
        ModelDirectoryError: The engine cannot load it so.
        MemoryError: There is not enough memory.
        EngineLost: The process has died while it loaded the model.
    """
    text = await asyncio.to_thread(ModelText, directory)
    line = await EngineLine.open()
    try:
        line.say(
            Load(
                str(directory.path),
                VOCABULARY,
                TOKENIZER,
                text.stop_ids,
                placement.device,
                placement.compute_type,
                placement.replicas,
                placement.intra_threads,
            )
        )
        ready = await line.ready
    except BaseException:
        await line.close()
        raise
    tokens = tokens_that_fit(
        ready.free_memory,
        values_per_token=cache_values_per_token(read_model_bin(directory.file(MODEL))),
        compute_type=ready.compute_type,
        replicas=placement.replicas,
    )
    if ready.unmaskable:
        logger(__name__).warning("tokens_not_maskable", problem=ready.unmaskable)
    info = text.info(
        device=ready.device, compute_type=ready.compute_type, batch_tokens=tokens, masks=not ready.unmaskable
    )
    return ChildEngine(line, text, info, stall_seconds)


class ChildEngine:
    """An engine whose process has loaded the model; made by `start_engine`."""

    def __init__(self, line: EngineLine, text: ModelText, info: EngineInfo, stall_seconds: float) -> None:
        self._line = line
        self._watch = asyncio.create_task(line.watch(stall_seconds), name="engine-watch")
        self._text = text
        self._info = info
        self._numbers = itertools.count()
        self._closed = False

    @property
    def info(self) -> EngineInfo:
        """What is served."""
        return self._info

    @property
    def pid(self) -> int:
        """The process that computes."""
        return self._line.process.pid

    def tokenize(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """The token ids of the prompt."""
        return self._text.tokenize(messages, tools)

    def tokenize_text(self, text: str) -> list[int]:
        """The token ids of a text by itself."""
        return self._text.tokenize_text(text)

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, without control tokens."""
        return self._text.detokenize(token_ids)

    def spell(self, token_id: int) -> str:
        """The text of a token; a control token by its name."""
        return self._text.spell(token_id)

    async def check_schema(self, schema: str, answer: Sequence[int]) -> None:
        """Makes sure that an answer can be held to this schema; the process then has it compiled."""
        await self._line.check(Check(next(self._numbers), schema, list(answer)))

    async def generate(self, batch: Batch, listener: Listener) -> None:
        """Generates one answer for each row."""
        BATCHES.record(len(batch.prompts))
        await self._line.run(next(self._numbers), batch, listener)

    async def lost(self) -> None:
        """Waits until the process has ended, and logs how."""
        await self._line.over.wait()
        status = await self._line.process.wait()
        if not self._closed:
            logger(__name__).error("engine_lost", pid=self.pid, exit_status=status)

    async def close(self) -> None:
        """Ends the process, and waits for it: its memory is free then."""
        self._closed = True
        self._watch.cancel()
        await asyncio.wait({self._watch})
        await self._line.close()
