"""The probe of containers: exit codes against a real server."""

from __future__ import annotations

import asyncio

import pytest

from olo_common.grpc_server import grpc_server
from olo_common.health import Health
from olo_common.probe import main
from olo_common.settings import ServiceSettings, settings_config


class ProbedSettings(ServiceSettings):
    model_config = settings_config("OLO_PROBED_")

    port: int = 0


async def test_the_probe_follows_the_health_of_a_server() -> None:
    health = Health(["model"])
    async with grpc_server(ProbedSettings(), [], health) as address:
        assert await asyncio.to_thread(main, [address]) == 1
        await health.set("model", True)
        assert await asyncio.to_thread(main, [address]) == 0
        assert await asyncio.to_thread(main, [address, "no.such.Service"]) == 1
    assert await asyncio.to_thread(main, [address]) == 1


@pytest.mark.parametrize("arguments", [[], ["--help"], ["127.0.0.1:1", "name", "more"]])
def test_who_asks_nobody_is_told_how_to(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "HOST:PORT" in capsys.readouterr().err
