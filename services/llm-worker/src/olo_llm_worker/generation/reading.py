"""Reads jobs in: messages to tokens, with the beginning that the engine may keep computed. Runs in threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from olo_common.errors import OloError
from olo_llm_worker.generation.engine import Batch, Engine
from olo_llm_worker.generation.prefixes import Prefix, Prefixes, common
from olo_llm_worker.generation.types import Decoding, Job, Message, Tool

_REMEMBERED: Final = 64
"""System prompts whose beginnings are remembered."""


class Reader:
    """Tokenises jobs, and finds what they share with others of the same system prompt.

    Args:
        engine: Whose tokens they are.
        max_prefixes: Beginnings of prompts that the engine may keep computed.
    """

    def __init__(self, engine: Engine, max_prefixes: int) -> None:
        self._engine = engine
        self._prefixes = Prefixes(max_prefixes)
        self._statics: OrderedDict[tuple[str, tuple[Tool, ...]], Prefix] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, job: Job) -> tuple[list[int], Prefix]:
        """The tokens of the prompt, and those of its beginning that the engine may keep; often none.

        Raises:
            OloError: The messages are not acceptable.
        """
        prompt = self._engine.tokenize(job.messages, job.tools)
        if job.messages[0].role != "system" or len(job.messages) < 2:
            return prompt, ()
        static = self._static(job.messages[0].content, job.tools)
        if len(prompt) <= len(static) or tuple(prompt[: len(static)]) != static:
            return prompt, ()
        with self._lock:
            return prompt, self._prefixes.admit(static)

    def warming(self, system_prompts: Sequence[str]) -> list[Batch]:
        """Batches that have the engine read these system prompts; one that is plain where there are none.

        Raises:
            OloError: A prompt is not acceptable.
        """
        batches = []
        for system in system_prompts:
            prompt = self._engine.tokenize([Message("system", system), Message("user", "Hello")])
            static = self._static(system, ())
            with self._lock:
                kept = static if self._prefixes.keep(static) else ()
            batches.append(Batch((tuple(prompt[len(kept) :]),), Decoding(), (1,), kept))
        if not batches:
            batches.append(Batch((tuple(self._engine.tokenize([Message("user", "Hello")])),), Decoding(), (1,)))
        return batches

    def _static(self, system: str, tools: tuple[Tool, ...]) -> Prefix:
        """What all prompts with this system prompt and these tools begin with."""
        key = (system, tools)
        with self._lock:
            if key in self._statics:
                self._statics.move_to_end(key)
                return self._statics[key]
        try:
            probes = [self._engine.tokenize([Message("system", system), Message("user", text)], tools) for text in "?a"]
            static = common(*probes)
        except OloError:
            static = ()
        with self._lock:
            self._statics[key] = static
            if len(self._statics) > _REMEMBERED:
                self._statics.popitem(last=False)
        return static
