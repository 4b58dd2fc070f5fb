"""An operator at the command line decides about a model of the real stack."""

from __future__ import annotations

import json

import pytest

from olo_testing.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_policy_and_aliases_are_set_shown_and_given_back(stack: Stack) -> None:
    listed = json.loads(stack.olo("models", "list", "--kind", "llm", "--json"))
    model_id = listed[0]["model_id"]
    told = json.loads(stack.olo("models", "get", model_id, "--json"))
    assert "tools" in told["capabilities"]
    assert told["conflicts"] == []
    stack.olo("models", "set", model_id, "--quality", "0.25", "--label", "tier=small")
    told = json.loads(stack.olo("models", "get", model_id, "--json"))
    assert (told["quality_score"], told["labels"]) == (0.25, {"tier": "small"})
    stack.olo("models", "set", model_id, "--clear", "quality", "--clear", "labels")
    assert "quality_score" not in json.loads(stack.olo("models", "get", model_id, "--json"))
    stack.olo("models", "alias", "chat:latest", model_id)
    assert "chat:latest" in stack.olo("models", "aliases")
    stack.olo("models", "alias", "chat:latest", "--delete")
    assert json.loads(stack.olo("models", "aliases", "--json")) == []
    assert {source["source"] for source in json.loads(stack.olo("benchmarks", "sources", "--json"))} == {
        "hugging_face",
        "lmarena",
        "openrouter",
    }
