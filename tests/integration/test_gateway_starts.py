"""Starts of runs on a real server: which calls they cost, and whose run an id is."""

from __future__ import annotations

import uuid

import pytest
from temporalio.client import (
    Client,
    DescribeWorkflowInput,
    Interceptor,
    OutboundInterceptor,
    WorkflowExecutionDescription,
)

from olo.gateway.v1.run_pb2 import ChatRequest
from olo_gateway.adapters import temporal_runs
from olo_gateway.adapters.temporal_runs import TemporalRuns
from olo_gateway.errors import RequestIdConflict

pytestmark = pytest.mark.integration


class Looked(Interceptor):
    """Notes which runs were looked at."""

    def __init__(self) -> None:
        self.at: list[str] = []

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Noting(super().intercept_client(next), self.at)


class _Noting(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, at: list[str]) -> None:
        super().__init__(next)
        self._at = at

    async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:
        self._at.append(input.id)
        return await super().describe_workflow(input)


@pytest.mark.parametrize("ended", [False, True])
async def test_a_new_run_is_not_looked_at_and_one_that_exists_is_held_against_the_question(
    temporal_address: str, ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A start whose answer comes too late, on a machine with other work, would be made again, and look.
    monkeypatch.setattr(temporal_runs, "RPC_SECONDS", 120.0)
    looked = Looked()
    client = await Client.connect(temporal_address, interceptors=[looked])
    runs, request_id = TemporalRuns(client, eager=False), uuid.uuid4().hex
    run_id, request = f"run-{request_id}", ChatRequest(request_id=request_id)
    request.timeout.FromSeconds(600)

    await runs.start(run_id, request, "one question")
    assert looked.at == []

    if ended:
        await client.get_workflow_handle(run_id).terminate()
    await runs.start(run_id, request, "one question")
    assert looked.at == [run_id]
    with pytest.raises(RequestIdConflict):
        await runs.start(run_id, request, "another question")
    if not ended:
        await client.get_workflow_handle(run_id).terminate()
