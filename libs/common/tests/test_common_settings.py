"""Settings: read from the environment, wrong ones named, all of them listed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, SecretStr

from olo_common.base_settings import FROM_FILE, OloSettings
from olo_common.errors import StartupError
from olo_common.settings import (
    NatsSettings,
    ServiceSettings,
    TemporalSettings,
    TlsSettings,
    load_settings,
    print_help,
    settings_config,
    variables,
)


class ExampleSettings(ServiceSettings):
    model_config = settings_config("OLO_EXAMPLE_")

    port: int = 1
    target: str
    """Whom to call."""
    nats: NatsSettings = Field(default_factory=NatsSettings)
    temporal: TemporalSettings = Field(default_factory=TemporalSettings)


def test_each_group_has_its_own_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLO_EXAMPLE_TARGET", "there:1")
    monkeypatch.setenv("OLO_NATS_URL", "nats://there:2")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "there:3")
    settings = load_settings(ExampleSettings)
    assert (settings.target, settings.nats.url, settings.temporal.address) == ("there:1", "nats://there:2", "there:3")


def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OLO_EXAMPLE_TARGET", raising=False)
    with pytest.raises(StartupError, match="OLO_EXAMPLE_TARGET: Field required"):
        load_settings(ExampleSettings)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLO_EXAMPLE_TARGET", "there:1")
    monkeypatch.setenv("OLO_EXAMPLE_METRICS_PORT", "70000")
    with pytest.raises(StartupError, match=r"OLO_EXAMPLE_METRICS_PORT: .*65535"):
        load_settings(ExampleSettings)


def test_a_wrong_variable_of_a_group_is_named_with_its_own_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLO_EXAMPLE_TARGET", "there:1")
    monkeypatch.setenv("TEMPORAL_TLS", "perhaps")
    with pytest.raises(StartupError, match=r"^TEMPORAL_TLS: "):
        load_settings(ExampleSettings)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.5", "::1", "localhost"])
def test_loopback_is_always_served(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("OLO_EXAMPLE_TARGET", "there:1")
    monkeypatch.setenv("OLO_EXAMPLE_HOST", host)
    assert load_settings(ExampleSettings).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_elsewhere_only_when_told(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("OLO_EXAMPLE_TARGET", "there:1")
    monkeypatch.setenv("OLO_EXAMPLE_HOST", host)
    monkeypatch.delenv("OLO_ALLOW_INSECURE", raising=False)
    with pytest.raises(StartupError, match=r"OLO_TLS_CLIENT_CA_FILE.*OLO_ALLOW_INSECURE"):
        load_settings(ExampleSettings)
    monkeypatch.setenv("OLO_ALLOW_INSECURE", "true")
    assert load_settings(ExampleSettings).host == host


def test_callers_that_show_certificates_are_authenticated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLO_EXAMPLE_TARGET", "there:1")
    monkeypatch.setenv("OLO_EXAMPLE_HOST", "0.0.0.0")
    for name in ("CERT", "KEY"):
        monkeypatch.setenv(f"OLO_TLS_{name}_FILE", "some.pem")
    with pytest.raises(StartupError, match="OLO_ALLOW_INSECURE"):
        load_settings(ExampleSettings)
    monkeypatch.setenv("OLO_TLS_CLIENT_CA_FILE", "ca.pem")
    assert load_settings(ExampleSettings).authenticated


class KnowingSettings(ExampleSettings):
    """A service that knows another way to know its callers."""

    @property
    def authenticated(self) -> bool:
        return True


def test_a_service_may_know_its_callers_by_other_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLO_EXAMPLE_TARGET", "there:1")
    monkeypatch.setenv("OLO_EXAMPLE_HOST", "0.0.0.0")
    assert load_settings(KnowingSettings).host == "0.0.0.0"


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("CERT_FILE", "KEY_FILE"),
        ("KEY_FILE", "CERT_FILE"),
        ("CLIENT_CA_FILE", "CERT_FILE"),
        ("CLIENT_CERT_FILE", "CLIENT_KEY_FILE"),
        ("SERVER_NAME", "CA_FILE"),
    ],
)
def test_half_of_a_pair_is_named(monkeypatch: pytest.MonkeyPatch, given: str, missing: str) -> None:
    monkeypatch.setenv(f"OLO_TLS_{given}", "x")
    with pytest.raises(StartupError, match=f"^OLO_TLS_{missing}: is needed where OLO_TLS_{given} is set"):
        load_settings(TlsSettings)


class SecretSettings(OloSettings):
    model_config = settings_config("OLO_SECRET_")

    key: SecretStr | None = None
    """A key."""
    url: Annotated[str, FROM_FILE] = "none"
    """A URL."""
    several: dict[str, SecretStr] = Field(default_factory=dict)
    """Keys by their names."""
    plain: str = "plain"
    """No secret."""


def test_secrets_may_stand_in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, content in (("KEY", "k 1\n"), ("URL", "u\n"), ("SEVERAL", '{"a": "s"}\n'), ("PLAIN", "p")):
        (tmp_path / name).write_text(content)
        monkeypatch.setenv(f"OLO_SECRET_{name}_FILE", str(tmp_path / name))
    settings = load_settings(SecretSettings)
    assert settings.key is not None
    assert settings.key.get_secret_value() == "k 1"
    assert settings.url == "u"
    assert settings.several["a"].get_secret_value() == "s"
    assert settings.plain == "plain"
    names = [name for name, _, _ in variables(SecretSettings)]
    assert {"OLO_SECRET_KEY_FILE", "OLO_SECRET_URL_FILE", "OLO_SECRET_SEVERAL_FILE"} <= set(names)
    assert "OLO_SECRET_PLAIN_FILE" not in names


def test_what_is_wrong_with_a_file_of_a_secret_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OLO_SECRET_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(StartupError, match=r"OLO_SECRET_KEY_FILE: .* cannot be read"):
        load_settings(SecretSettings)
    for content, told in ((b"\n", "is empty"), (b"\xff", "is no text")):
        (tmp_path / "none").write_bytes(content)
        with pytest.raises(StartupError, match=f"OLO_SECRET_KEY_FILE: .* {told}"):
            load_settings(SecretSettings)
    monkeypatch.setenv("OLO_SECRET_KEY", "k")
    with pytest.raises(StartupError, match="OLO_SECRET_KEY and OLO_SECRET_KEY_FILE are both set"):
        load_settings(SecretSettings)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLO_EXAMPLE_TARGET", "there:1")
    monkeypatch.setenv("TEMPORAL_API_KEY", "canary")
    assert "canary" not in repr(load_settings(ExampleSettings))


def test_help_lists_every_variable(capsys: pytest.CaptureFixture[str]) -> None:
    print_help("olo-example", "An example.", ExampleSettings)
    text = capsys.readouterr().out
    names = [name for name, _, _ in variables(ExampleSettings)]
    assert {"OLO_EXAMPLE_TARGET", "OLO_EXAMPLE_PORT", "OLO_NATS_URL", "TEMPORAL_ADDRESS", "OLO_LOG_LEVEL"} <= set(names)
    assert all(f"{name} (default:" in text for name in names)
    assert "OLO_EXAMPLE_TARGET (default: required)\n      Whom to call." in text
