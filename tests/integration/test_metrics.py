"""What is measured is what the documentation says, and nothing that callers make up becomes a label."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from olo_common.metrics import Instrument

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name.replace("-", "_") for path in ROOT.glob("services/*/pyproject.toml"))
BOUNDED = {
    *("model", "profile", "type", "state", "reason", "cause", "outcome", "retriever", "source", "error_type"),
    *("gen_ai_operation_name", "gen_ai_request_model", "gen_ai_token_type"),
    # Of OpenTelemetry's conventions: known methods, patterns of routes, and schemes that the server knows.
    *("http_request_method", "http_route", "http_response_status_code", "url_scheme"),
    # Tenants are those of the operator's file of keys, never what a caller says.
    "tenant",
}
"""Labels whose values come from us, from the catalogue or from operators. A new one needs a reason to stand here."""


def test_the_table_of_metrics_is_what_the_services_declare() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "metrics_table.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = (ROOT / "docs" / "metrics.md").read_text()
    assert all(f"\n| {service.replace('_', '-')} |" in table for service in SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_whatever_is_declared_is_listed(service: str) -> None:
    module = import_module(f"olo_{service}.telemetry")
    assert {each for each in vars(module).values() if isinstance(each, Instrument)} <= set(module.INSTRUMENTS)


@pytest.mark.parametrize("service", SERVICES)
def test_labels_are_bounded_and_names_are_told_apart(service: str) -> None:
    instruments = import_module(f"olo_{service}.telemetry").INSTRUMENTS
    assert len({each.prometheus_name for each in instruments}) == len(instruments)
    assert {label for each in instruments for label in each.labels} <= BOUNDED
