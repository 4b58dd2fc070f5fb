"""A run that its worker forgets is closed by the garbage collector, outside the loop of the workflow."""

from __future__ import annotations

import gc
import types
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from olo.gateway.v1.run_pb2 import ChatRequest, ChatResponse
from olo_gateway.workflows import chat
from olo_gateway.workflows.chat import ChatWorkflow


@types.coroutine
def _waiting(*_: object) -> Generator[None, None, None]:
    yield


def _begun(monkeypatch: pytest.MonkeyPatch) -> Coroutine[Any, Any, ChatResponse]:
    """A run that waits for its first step."""
    monkeypatch.setattr(chat, "prompt_of", _waiting)
    run = object.__new__(ChatWorkflow)
    run._record, run._deadline = object(), object()  # type: ignore[assignment]
    running = run.run(ChatRequest())
    running.send(None)
    return running


def test_a_run_that_is_closed_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    _begun(monkeypatch).close()


def test_a_run_that_is_collected_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    running = _begun(monkeypatch)
    del running
    gc.collect()
