"""The probe of containers: exit codes against real servers, with TLS and without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2_grpc

from olo_common.grpc_server import grpc_server
from olo_common.health import Health
from olo_common.probe import main
from olo_common.settings import ServiceSettings, settings_config


class ProbedSettings(ServiceSettings):
    model_config = settings_config("OLO_PROBED_")

    port: int = 0


async def probe(*arguments: str | Path) -> int:
    return await asyncio.to_thread(main, [str(argument) for argument in arguments])


async def test_the_probe_follows_the_health_of_a_server() -> None:
    health = Health(["model"])
    async with grpc_server(ProbedSettings(), [], health) as address:
        assert await probe(address) == 1
        await health.set("model", True)
        assert await probe(address) == 0
        assert await probe(address, "no.such.Service") == 1
    assert await probe(address) == 1


def write_certificates(folder: Path, name: str) -> None:
    """An authority (`ca.crt`), and a certificate of it for this name alone (`tls.crt`, `tls.key`)."""
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    now = datetime.now(UTC)

    def certificate(subject: x509.Name, of: ec.EllipticCurvePrivateKey, *, authority_itself: bool) -> bytes:
        builder = x509.CertificateBuilder(issuer, subject, of.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(authority_itself, None), critical=True)
        if not authority_itself:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        # Python's ssl module is strict about these from 3.13 on.
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(of.public_key()), critical=False)
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
        builder = builder.add_extension(by, critical=False)
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
        )
        signs = x509.KeyUsage(
            True, key_cert_sign=authority_itself, crl_sign=authority_itself, decipher_only=False, **usage
        )
        return builder.add_extension(signs, critical=True).sign(authority, SHA256()).public_bytes(Encoding.PEM)

    (folder / "ca.crt").write_bytes(certificate(issuer, authority, authority_itself=True))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    (folder / "tls.crt").write_bytes(certificate(subject, key, authority_itself=False))
    (folder / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@asynccontextmanager
async def secure_server(folder: Path, *, asks_callers: bool) -> AsyncIterator[str]:
    pair = [((folder / "tls.key").read_bytes(), (folder / "tls.crt").read_bytes())]
    credentials = grpc.ssl_server_credentials(
        pair, (folder / "ca.crt").read_bytes() if asks_callers else None, require_client_auth=asks_callers
    )
    server, health = grpc.aio.server(), Health()
    health_pb2_grpc.add_HealthServicer_to_server(health.servicer, server)
    await health.cover(())
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@pytest.mark.parametrize("name", ["router.olo.internal", "*.olo.internal"])
async def test_a_server_with_tls_is_asked_by_a_name_of_its_certificate(tmp_path: Path, name: str) -> None:
    write_certificates(tmp_path, name)
    async with secure_server(tmp_path, asks_callers=False) as address:
        assert await probe(address, "--ca", tmp_path / "ca.crt") == 0
        assert await probe(address) == 1
        assert await probe(address, "--ca", tmp_path / "none.crt") == 1
        other = tmp_path / "other"
        other.mkdir()
        write_certificates(other, name)
        assert await probe(address, "--ca", other / "ca.crt") == 1


async def test_a_server_that_asks_callers_is_shown_a_certificate(tmp_path: Path) -> None:
    write_certificates(tmp_path, "router.olo.internal")
    ours = ("--ca", tmp_path / "ca.crt", "--cert", tmp_path / "tls.crt", "--key", tmp_path / "tls.key")
    async with secure_server(tmp_path, asks_callers=True) as address:
        assert await probe(address, *ours) == 0
        assert await probe(address, *ours[:2]) == 1


@pytest.mark.parametrize("arguments", [[], ["127.0.0.1:1", "a", "b"], ["127.0.0.1:1", "--cert", "x"]])
def test_wrong_arguments_are_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err
