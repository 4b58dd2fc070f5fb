"""TLS of the SDK and the command line: what is said, what the variables say, and files that cannot be used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from olo_client import AsyncOlo, InvalidRequestError, Olo, Tls
from olo_client.cli import program
from olo_client.cluster import get
from olo_client.errors import NOT_REACHABLE, TLS_FAILED, UnavailableError, error_from_rpc
from olo_client.settings import chosen_tls
from olo_testing.certificates import Authority

VARIABLES = ("OLO_TLS", "OLO_TLS_CA_FILE", "OLO_TLS_CLIENT_CERT_FILE", "OLO_TLS_CLIENT_KEY_FILE", "OLO_TLS_SERVER_NAME")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_what_is_said_wins_over_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen_tls() is None
    assert chosen_tls(True) == Tls()
    monkeypatch.setenv("OLO_TLS_CA_FILE", "ca.pem")
    monkeypatch.setenv("OLO_TLS_SERVER_NAME", "olo.internal")
    assert chosen_tls() == Tls("ca.pem", server_name="olo.internal")
    assert chosen_tls(False) is None
    assert chosen_tls(Tls("other.pem")) == Tls("other.pem")
    monkeypatch.setenv("OLO_TLS", "false")
    assert chosen_tls() is None
    monkeypatch.delenv("OLO_TLS_CA_FILE")
    monkeypatch.setenv("OLO_TLS", "true")
    assert chosen_tls() == Tls(server_name="olo.internal")


async def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    one, other = authority.issue("one"), authority.issue("other")
    (tmp_path / "empty").write_text("")
    for tls, told in (
        (Tls(tmp_path / "none"), "none cannot be read: No such file"),
        (Tls(tmp_path / "empty"), "empty holds no certificate in PEM"),
        (Tls(authority.file, one.certificate), "are needed both"),
        (Tls(authority.file, one.certificate, tmp_path / "none"), "none cannot be read"),
        (Tls(authority.file, one.certificate, other.key), "that is not its key"),
        (Tls(authority.file, tmp_path / "empty", other.key), "empty is no certificate"),
    ):
        for client in (Olo, AsyncOlo):
            with pytest.raises(InvalidRequestError, match=told) as caught:
                client("127.0.0.1:1", tls=tls)
            assert caught.value.reason == "tls_files_invalid"


def test_flags_hold_for_one_command(capsys: pytest.CaptureFixture[str]) -> None:
    before = dict(os.environ)
    assert program.run(["--ca-file", "none.pem", "models", "list"]) == program.FAILED
    assert "none.pem cannot be read" in capsys.readouterr().err
    assert dict(os.environ) == before


def test_https_addresses_are_checked_by_the_same_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLO_TLS_CA_FILE", "none.pem")
    with pytest.raises(InvalidRequestError, match=r"none\.pem cannot be read"):
        get("https://127.0.0.1:1", "/")


class Failed:
    """A call that was never made."""

    def __init__(self, details: str) -> None:
        self._details = details

    def code(self) -> Any:
        import grpc

        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> None:
        return None


@pytest.mark.parametrize(
    ("details", "reason", "told"),
    [
        ("SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: certificate has expired", TLS_FAILED, "is expired"),
        ("SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER", TLS_FAILED, "speaks no TLS"),
        ("Tls handshake failed (TSI_PROTOCOL_FAILURE): something new", TLS_FAILED, "does not agree on TLS"),
        ("last error: UNAVAILABLE: ipv4:127.0.0.1:1: Socket closed", NOT_REACHABLE, "or it asks for TLS"),
        ("failed to connect: Connection refused", NOT_REACHABLE, "no gateway answers at there:1"),
    ],
)
def test_what_grpc_says_of_a_connection_is_told_in_words(details: str, reason: str, told: str) -> None:
    error = error_from_rpc(Failed(details), "there:1")
    assert isinstance(error, UnavailableError)
    assert error.reason == reason
    assert told in error.message
    assert "ipv4" not in error.message
