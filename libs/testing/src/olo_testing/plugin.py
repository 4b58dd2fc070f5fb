"""Fixtures: `nats_url` and `temporal_address`, one server each for a whole session."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from temporalio.client import Client

from olo_testing.servers import nats_server, temporal_server


def pytest_configure() -> None:
    """Sends the log to standard error, as services do: elsewhere a line of it may fall into the JSON of a command."""
    structlog.configure(logger_factory=_stderr_logger)


def _stderr_logger(*_: Any) -> structlog.PrintLogger:
    # Looked up for each logger: tests that capture output put another stream there.
    return structlog.PrintLogger(sys.stderr)


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real NATS server."""
    with nats_server(tmp_path_factory.mktemp("nats")) as url:
        yield url


@pytest.fixture(scope="session")
def temporal_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of a real Temporal server that answers."""
    with temporal_server(tmp_path_factory.mktemp("temporal")) as address:
        asyncio.run(_answers(address))
        yield address


async def _answers(address: str) -> None:
    for _ in range(200):
        try:
            client = await Client.connect(address)
            await client.count_workflows()
        except Exception:
            await asyncio.sleep(0.05)
        else:
            return
    raise TimeoutError(f"the Temporal server on {address} does not answer")
