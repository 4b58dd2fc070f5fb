"""Settings: read from the environment, wrong ones named, all of them listed."""

from __future__ import annotations

import pytest
from pydantic import Field

from olo_common.errors import StartupError
from olo_common.settings import (
    NatsSettings,
    ServiceSettings,
    TemporalSettings,
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
    with pytest.raises(StartupError, match="OLO_ALLOW_INSECURE"):
        load_settings(ExampleSettings)
    monkeypatch.setenv("OLO_ALLOW_INSECURE", "true")
    assert load_settings(ExampleSettings).host == host


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
