"""The guide's own commands make certificates that servers and callers can use."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from olo_common.grpc_client import channel
from olo_common.grpc_server import grpc_server
from olo_common.health import Health
from olo_common.settings import TlsSettings
from olo_router.settings import RouterSettings

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/secure-connections.md"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the program openssl is not installed")
async def test_the_certificates_of_the_guide_are_good(tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    subprocess.run(["sh", "-e"], input=blocks[0], text=True, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    said = dict(line.split("=", 1) for line in blocks[1].splitlines())
    fields = {name.removeprefix("OLO_TLS_").lower(): tmp_path / value for name, value in said.items()}
    tls = TlsSettings.model_validate(fields)
    folder = tmp_path / "certificates"
    caller = TlsSettings(
        ca_file=folder / "ca.pem", client_cert_file=folder / "caller.pem", client_key_file=folder / "caller.key"
    )
    async with grpc_server(RouterSettings(port=0, tls=tls), [], Health()) as address:
        for shown in (tls, caller):
            async with channel(address, shown) as opened:
                answer = await health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest(), timeout=30)
                assert answer.status == health_pb2.HealthCheckResponse.SERVING
