"""NATS: TLS, and each way to say who one is, against real servers that let nobody else in."""

from __future__ import annotations

import asyncio
from pathlib import Path

import nkeys
import pytest
from nacl.signing import SigningKey
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from olo_common.errors import StartupError
from olo_common.nats_bus import nats_bus
from olo_common.settings import NatsSettings
from olo_testing.certificates import Authority, Issued
from olo_testing.ports import free_port
from olo_testing.processes import binary, running

pytestmark = pytest.mark.integration

PATIENCE = 30.0


def configuration(folder: Path, *parts: str) -> tuple[int, list[str], Path]:
    port = free_port()
    file = folder / "nats.conf"
    file.write_text("\n".join((f"listen: 127.0.0.1:{port}", *parts)))
    return port, [binary("nats-server"), "-c", str(file)], folder / "nats.log"


def tls_part(issued: Issued, authority: Authority) -> str:
    return (
        f'tls {{ cert_file: "{issued.certificate}", key_file: "{issued.key}", '
        f'ca_file: "{authority.file}", verify: true, timeout: 20 }}'
    )


def new_nkey() -> tuple[str, str]:
    """Seed and public key of a user."""
    seed = nkeys.encode_seed(bytes(SigningKey.generate()), prefix=nkeys.PREFIX_BYTE_USER)
    return bytes(seed).decode(), nkeys.from_seed(bytearray(seed)).public_key.decode()


async def heard(settings: NatsSettings) -> bool:
    """Whether something that is published comes back."""
    got = asyncio.Event()

    async def handle(_: str, __: bytes) -> None:
        got.set()

    async with nats_bus(settings, "test") as bus:
        await bus.subscribe("a", handle)
        await asyncio.wait_for(bus.wait_connected(), PATIENCE)
        assert await bus.publish("a", b"")
        await asyncio.wait_for(got.wait(), PATIENCE)
    return True


async def kept_out(settings: NatsSettings) -> str:
    """The error that a connection attempt is logged with."""
    with capture_logs() as logs:
        async with nats_bus(settings, "test") as bus, asyncio.timeout(PATIENCE):
            while not (told := [line["error"] for line in logs if line["event"] == "nats_connect_failed"]):
                await asyncio.sleep(0.01)
            assert not bus.connected
    return str(told[0])


async def test_tls_with_certificates_of_both_and_a_user(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "stranger", "stranger")
    mine, theirs = authority.issue(), authority.issue("caller")
    port, command, log = configuration(
        tmp_path, tls_part(mine, authority), 'authorization { user: "olo", password: "se same" }'
    )
    right = NatsSettings(
        url=f"nats://127.0.0.1:{port}",
        user="olo",
        password=SecretStr("se same"),
        ca_file=authority.file,
        client_cert_file=theirs.certificate,
        client_key_file=theirs.key,
    )
    with running(command, port=port, log=log):
        assert await heard(right)
        assert await kept_out(right.model_copy(update={"ca_file": stranger.file})) == "SSLCertVerificationError"
        assert await kept_out(right.model_copy(update={"password": SecretStr("no")}))
        assert await kept_out(right.model_copy(update={"client_cert_file": None, "client_key_file": None}))
        assert await kept_out(NatsSettings(url=f"nats://127.0.0.1:{port}")) == "SSLCertVerificationError"


async def test_another_authority_holds_from_the_next_connection_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("olo_common.changing_files.LOOK_SECONDS", 0.0)
    authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "stranger", "stranger")
    mine, theirs, trusted = authority.issue(), authority.issue("caller"), tmp_path / "trusted.pem"
    trusted.write_bytes(authority.file.read_bytes())
    port, command, log = configuration(tmp_path, tls_part(mine, authority))
    settings = NatsSettings(
        url=f"tls://127.0.0.1:{port}",
        ca_file=trusted,
        client_cert_file=theirs.certificate,
        client_key_file=theirs.key,
    )
    connects: asyncio.Queue[None] = asyncio.Queue()

    async def connected() -> None:
        connects.put_nowait(None)

    async with nats_bus(settings, "test") as bus:
        bus.on_connect(connected)
        with running(command, port=port, log=log):
            await asyncio.wait_for(connects.get(), PATIENCE)
        mine.replace(stranger.issue())
        theirs.replace(stranger.issue("caller"))
        authority.file.write_bytes(stranger.file.read_bytes())
        trusted.write_bytes(stranger.file.read_bytes())
        with running(command, port=port, log=log):
            await asyncio.wait_for(connects.get(), PATIENCE)


async def test_an_nkey(tmp_path: Path) -> None:
    (seed, public), (other, _) = new_nkey(), new_nkey()
    for name, text in (("right", seed), ("wrong", other)):
        (tmp_path / name).write_text(text + "\n")
    port, command, log = configuration(tmp_path, f"authorization {{ users: [ {{ nkey: {public} }} ] }}")
    with running(command, port=port, log=log):
        url = f"nats://127.0.0.1:{port}"
        assert await heard(NatsSettings(url=url, nkey_file=tmp_path / "right"))
        assert await kept_out(NatsSettings(url=url, nkey_file=tmp_path / "wrong"))


async def test_a_token_that_stands_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port, command, log = configuration(tmp_path, 'authorization { token: "sesame" }')
    (tmp_path / "token").write_text("sesame\n")
    monkeypatch.setenv("OLO_NATS_URL", f"nats://127.0.0.1:{port}")
    with running(command, port=port, log=log):
        assert await kept_out(NatsSettings())
        monkeypatch.setenv("OLO_NATS_TOKEN_FILE", str(tmp_path / "token"))
        assert await heard(NatsSettings())


async def test_nothing_is_said_to_a_server_without_tls(nats_url: str, tmp_path: Path) -> None:
    assert await kept_out(NatsSettings(url=nats_url.replace("nats://", "tls://"))) == "NatsWithoutTls"
    assert await kept_out(NatsSettings(url=nats_url, ca_file=Authority(tmp_path).file)) == "NatsWithoutTls"


async def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    bad.write_text("SUXX")
    for settings, told in (
        (NatsSettings(nkey_file=bad), "OLO_NATS_NKEY_FILE: .* holds no seed"),
        (NatsSettings(nkey_file=tmp_path / "none"), "OLO_NATS_NKEY_FILE: .* cannot be read"),
        (NatsSettings(creds_file=bad), "OLO_NATS_CREDS_FILE: .* does not begin with"),
        (NatsSettings(ca_file=bad), "OLO_NATS_CA_FILE: .* holds no certificate"),
    ):
        with pytest.raises(StartupError, match=told):
            async with nats_bus(settings, "test"):
                pass


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"user": "olo"}, "OLO_NATS_USER and OLO_NATS_PASSWORD"),
        ({"token": "t", "nkey_file": "f"}, "OLO_NATS_TOKEN and OLO_NATS_NKEY_FILE are set; set one"),
        ({"client_key_file": "f"}, "OLO_NATS_CLIENT_CERT_FILE and OLO_NATS_CLIENT_KEY_FILE"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(wrong: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        NatsSettings(**wrong)  # type: ignore[arg-type]
