"""The description of the HTTP API against the application: schemathesis makes requests up from it.

A few for each operation here; `make fuzz` makes many.
"""

from __future__ import annotations

import json
from typing import Any

import schemathesis
from hypothesis import given
from openapi_fuzz import PATIENCE, SHAPES
from schemathesis.checks import not_a_server_error

from olo_testing.fuzzing import made_up


def test_no_request_is_answered_with_a_crash_or_another_shape(scripted: Any) -> None:
    checks = [not_a_server_error, *SHAPES]
    asked = set()
    for found in schemathesis.openapi.from_asgi("/openapi.json", scripted.app).get_all_operations():
        operation = found.ok()
        asked.add(operation.label)

        @made_up(2)
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            case.call_and_validate(checks=checks, timeout=PATIENCE)

        ask()
    assert {"POST /v1/responses", "POST /v1/chat/completions", "GET /v1/models"} <= asked


def test_every_operation_is_described_with_its_errors(scripted: Any) -> None:
    described = scripted.app.openapi()
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary"), (method, path)
            assert "422" not in operation["responses"], (method, path)
    for path in ("/v1/chat/completions", "/v1/responses", "/v1/completions"):
        create = described["paths"][path]["post"]
        assert {"200", "400", "404", "409", "413", "415", "429", "503", "504"} <= set(create["responses"])
        assert "text/event-stream" in create["responses"]["200"]["content"]
    shapes = described["components"]["schemas"]
    assert not {"HTTPValidationError", "ValidationError"} & shapes.keys()
    assert "ValidationError" not in json.dumps(described), "nothing points at what is not described"
    for name in ("ChatCompletionRequest", "CreateResponse", "CompletionRequest", "EmbeddingRequest", "RerankBody"):
        assert shapes[name]["examples"], name
