"""Histories of workflows as they are kept for replay tests."""

from __future__ import annotations

import json
from typing import Any

from temporalio.client import WorkflowHistory


def recorded(history: WorkflowHistory) -> str:
    """A history as JSON, without what tells of the machine that it was recorded on; replays need none of that."""
    return json.dumps(_without_machine(history.to_json_dict()), indent=1) + "\n"


def _without_machine(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_machine(item) for name, item in value.items() if name not in ("stackTrace", "identity")}
    return [_without_machine(item) for item in value] if isinstance(value, list) else value
