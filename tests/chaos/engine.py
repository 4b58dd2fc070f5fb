"""An engine that costs next to nothing but takes its time, and whose tokens say who made them.

A token is `<process>.<place> `. What one process has begun, another of the same model continues: the text of an answer
tells who made which part of it, so that spliced, doubled and stale pieces are seen.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

from olo_llm_worker.generation.engine import END, Batch, EngineInfo, Listener
from olo_llm_worker.generation.types import Message, Sampling, Tool

PLACES = 1024
"""Tokens of one answer at most."""
PROCESSES = 1024
POISON = 500_000
"""Requests with this number, or a higher one, kill the process that reads them."""
_BEGIN = PLACES * PROCESSES
"""The control token that ends the prompt."""

_NUMBER = re.compile(r"#(\d+)#")


def word(token_id: int) -> str:
    """The text of a token."""
    return f"{token_id // PLACES:x}.{token_id % PLACES} "


def length_of(number: int) -> int:
    """Tokens of the answer to the request with this number."""
    return 10 + zlib.crc32(b"%d" % number) % 16


class SlowEngine:
    """See the module.

    Args:
        process: The name of this process, below `PROCESSES`; its lowest bit is that of the model.
        tokens_per_second: How fast each answer grows.
        journal: The file to which each token is written as it is made: it survives a kill.
    """

    def __init__(self, process: int, tokens_per_second: float, journal: Path) -> None:
        self._process = process
        self._pause = 1 / tokens_per_second
        self._journal = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(self._journal, f"P {os.getpid()} {process}\n".encode())

    @property
    def info(self) -> EngineInfo:
        return EngineInfo(
            name="slow",
            family="fake",
            quantization="none",
            license="Apache-2.0",
            hardware="cpu",
            context_limit=1_000_000,
            vocabulary_size=_BEGIN + 1,
            control_ids=frozenset({_BEGIN}),
            defaults=Sampling(),
        )

    def tokenize(self, messages: Sequence[Message], tools: Sequence[Tool] = ()) -> list[int]:
        """The number of the request, a token for each fourth byte, and the one that begins the answer."""
        text = "".join(message.content for message in messages)
        found = _NUMBER.search(text)
        return [int(found.group(1)) if found else 0, *([1] * (len(text) // 4)), _BEGIN]

    def detokenize(self, token_ids: Sequence[int]) -> str:
        return "".join(word(token) for token in token_ids if token < _BEGIN)

    def spell(self, token_id: int) -> str:
        return self.detokenize([token_id])

    async def check_schema(self, schema: str, answer: Sequence[int]) -> None:
        """Never asked: this engine does not say that it masks tokens."""
        raise NotImplementedError

    async def generate(self, batch: Batch, listener: Listener) -> None:
        listener.began(cached=False)
        rows = {row: self._places([*batch.static_prompt, *prompt]) for row, prompt in enumerate(batch.prompts)}
        for number, _ in rows.values():
            if number >= POISON:
                # At once: before any heartbeat may have been heard.
                os.write(self._journal, f"K {self._process} {number}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)
        for step in range(max(batch.limits)):
            if not rows:
                return
            await asyncio.sleep(self._pause)
            for row, (number, places) in list(rows.items()):
                if not places:
                    listener.tokens([(row, END, 0.0)])
                    del rows[row]
                    continue
                place = places.pop(0)
                os.write(self._journal, f"T {time.time():.3f} {self._process} {number} {place}\n".encode())
                if listener.tokens([(row, self._process * PLACES + place, 0.0)]) or step + 1 >= batch.limits[row]:
                    del rows[row]

    def _places(self, prompt: list[int]) -> tuple[int, list[int]]:
        """The number of the request, and the places of its answer that are still to come."""
        return prompt[0], list(range(len(prompt) - 1 - prompt.index(_BEGIN), length_of(prompt[0])))

    async def lost(self) -> None:
        """It dies with its process alone."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        os.close(self._journal)
