"""Encrypted payloads on real Temporal: what its histories hold, keys that change, and processes that lack one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from temporalio import activity
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from tests.integration.gateway_peers import FakeModel
from tests.integration.gateway_world import World, asked, body, key, worlds

from olo.gateway.v1 import gateway_service_pb2 as gateway
from olo.gateway.v1.run_pb2 import ChatResponse, RagOptions
from olo.inference.v1.inference_service_pb2 import GenerateRequest, GenerateResponse
from olo.retrieval.v1.retrieval_service_pb2 import IngestWorkflowInput, IngestWorkflowResult
from olo_common.errors import OloError
from olo_common.failures import to_application_error
from olo_common.grpc_client import call
from olo_common.payload_codec import ENCODING
from olo_common.payload_errors import PayloadKeyMissing
from olo_common.payload_key_lines import new_line
from olo_common.payload_keys import payload_keys
from olo_common.payload_store import data_converter
from olo_common.settings import PayloadSettings
from olo_contracts.queues import GENERATE_ACTIVITY, llm_queue
from olo_retrieval.adapters.temporal_sources import TemporalSyncStarter
from olo_retrieval.sources.model import FileConfig, Source
from olo_retrieval.workflows import ingest, steps
from olo_testing.waiting import until

pytestmark = pytest.mark.integration

OLD, NEW = new_line("old"), new_line("new")
WORD = "platypus"
LARGE = 600 * 1024
PATIENCE = 120
OF_SDK = ("data", "patch-data")


@pytest.fixture(autouse=True)
def _look_always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("olo_common.changing_files.LOOK_SECONDS", 0.0)
    yield
    payload_keys.cache_clear()


@pytest.fixture
async def raw(temporal_address: str) -> Client:
    """A client of somebody who may read everything that Temporal stores, and has no key."""
    return await Client.connect(temporal_address)


def write(path: Path, *lines: str) -> Path:
    beside = path.with_name(f"{path.name}.new")
    beside.write_text("\n".join(lines))
    beside.replace(path)
    return path


class SlowModel(FakeModel):
    """Answers when it is told to."""

    def __init__(self, world: World) -> None:
        super().__init__("slow", world.bus)
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    @activity.defn(name=GENERATE_ACTIVITY)
    async def answer(self, request: GenerateRequest) -> GenerateResponse:
        self.run_id = request.request_id
        self.asked.set()
        while not self.may_answer.is_set():
            activity.heartbeat(WORD)
            await asyncio.sleep(0.05)
        return GenerateResponse(request_id=request.request_id, model_id="slow", text=request.messages[-1].content)


@asynccontextmanager
async def slow(world: World, raw: Client, keys: Path) -> AsyncIterator[SlowModel]:
    config = raw.config()
    config["data_converter"] = data_converter(PayloadSettings(keys_file=keys))
    model = SlowModel(world)
    async with Worker(Client(**config), task_queue=llm_queue("slow"), activities=[model.answer]):
        yield model


async def patient_chat(world: World, **fields: Any) -> ChatResponse:
    """A chat with the time for tasks that Temporal hands out again."""
    fields["timeout"] = Duration(seconds=PATIENCE)
    response: ChatResponse = await call(world.gateway.Chat, asked(WORD, **fields), peer="gateway", timeout=PATIENCE)
    return response


async def events(raw: Client, run_id: str) -> list[HistoryEvent]:
    return list((await raw.get_workflow_handle(run_id).fetch_history()).events)


def payloads_in(message: Message) -> Iterator[Payload]:
    """Every payload in a message, but search attributes and what the SDK itself says of local activities, patches."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None or isinstance(value, SearchAttributes):
            continue
        if field.message_type.GetOptions().map_entry:
            inner = [each for name, each in value.items() if name not in OF_SDK and isinstance(each, Message)]
        else:
            inner = list(value) if field.is_repeated else [value]
        for each in inner:
            yield from payloads_in(each)


async def found(raw: Client, run_id: str) -> bytes:
    """All that Temporal has of a run."""
    described = (await raw.get_workflow_handle(run_id).describe()).raw_description
    return b"".join(each.SerializeToString() for each in (*await events(raw, run_id), described))


async def test_histories_hold_neither_prompts_nor_answers_nor_passages_nor_errors(
    nats_url: str, temporal_address: str, tmp_path: Path, raw: Client
) -> None:
    keys = write(tmp_path / "keys", NEW)
    async with worlds(nats_url, temporal_address, str(tmp_path / "store"), keys=keys) as world:
        short = await world.chat(WORD, rag=RagOptions(collection="demo"))
        large = await world.chat(f"{WORD * (LARGE // len(WORD))}\n{WORD}")
        crashed = await world.chat("crash")
        request_id = key()
        with pytest.raises(OloError):
            await world.chat("refuse", request_id=request_id)
        assert WORD in short.message.content
        assert short.citations[0].text.startswith("The Nile")
        assert crashed.attempts[0].failure_reason
        # What the gateway tells of runs is all there: it has the key.
        for run in (short, large, crashed):
            which = gateway.GetRunRequest(run_id=run.run_id)
            told = await call(world.gateway.GetRun, which, peer="gateway", timeout=20)
            assert told.run.response == run
        traced = (await world.http.get(f"/v1/runs/{short.run_id}/trace")).json()
        assert {"retrieve", "select", "generate"} <= {step["name"] for step in traced["steps"]}
        again = gateway.ReplayRunRequest(run_id=short.run_id, model="two")
        assert WORD in (await call(world.gateway.ReplayRun, again, peer="gateway", timeout=20)).replay.message.content
        runs = [short.run_id, large.run_id, crashed.run_id, f"run-{request_id}"]
        for run_id in runs:
            told = await found(raw, run_id)
            for word in (WORD, "Nile", "Burundi", "secret", "is not for this model", "temperature"):
                assert word.encode() not in told
            for event in await events(raw, run_id):
                for payload in payloads_in(event):
                    assert payload.external_payloads or payload.metadata["encoding"] == ENCODING, event
                    bound = payload.metadata.get("encryption-workflow-id", run_id.encode())
                    assert bound == run_id.encode(), event
    stored = [path.read_bytes() for path in (tmp_path / "store").glob("*/*")]
    assert stored
    assert not any(WORD.encode() in each for each in stored)


@pytest.mark.timeout(180)
async def test_a_run_whose_keys_are_rotated_meanwhile_ends_well(
    nats_url: str, temporal_address: str, tmp_path: Path, raw: Client
) -> None:
    keys = write(tmp_path / "keys", OLD)
    async with worlds(nats_url, temporal_address, keys=keys) as world, slow(world, raw, keys) as model:
        answering = asyncio.create_task(patient_chat(world, model="slow"))
        await model.asked.wait()
        write(keys, OLD, NEW)
        write(keys, NEW, OLD)
        model.may_answer.set()
        answer = await answering
        assert answer.message.content == WORD
        used = {
            payload.metadata["encryption-key-id"]
            for event in await events(raw, answer.run_id)
            for payload in payloads_in(event)
        }
        assert used == {b"old", b"new"}


@pytest.mark.timeout(180)
async def test_a_worker_without_the_key_loses_nothing_and_goes_on_with_it(
    nats_url: str, temporal_address: str, tmp_path: Path
) -> None:
    keys, of_models = write(tmp_path / "keys", NEW, OLD), write(tmp_path / "of-models", OLD)
    async with worlds(nats_url, temporal_address, keys=keys, of_models=of_models) as world:
        request_id = key()
        answering = asyncio.create_task(patient_chat(world, request_id=request_id))

        async def refused_twice() -> bool:
            run = gateway.GetRunRequest(run_id=f"run-{request_id}")
            try:
                told = await call(world.gateway.GetRun, run, peer="gateway", timeout=5)
            except OloError:
                return False
            reasons = [attempt.failure_reason for attempt in told.run.details.attempts]
            # Both models have been asked, and the first one again.
            return reasons.count("payload_key_missing") > 2

        await until(refused_twice)
        write(of_models, OLD, NEW)
        answer = await answering
        # Whichever was asked next.
        assert answer.message.content in (f"one says: {WORD} [1]", f"two says: {WORD} [1]")


@pytest.mark.timeout(180)
async def test_a_gateway_without_the_key_says_so_and_goes_on_with_it(
    nats_url: str, temporal_address: str, tmp_path: Path, raw: Client
) -> None:
    keys, of_models = write(tmp_path / "keys", OLD), write(tmp_path / "of-models", OLD)
    async with worlds(nats_url, temporal_address, keys=keys) as world, slow(world, raw, of_models) as model:
        answering = asyncio.create_task(patient_chat(world, model="slow"))
        before = await world.chat("before")
        await model.asked.wait()
        write(keys, NEW)
        shown = await world.http.get(f"/v1/runs/{before.run_id}")
        assert shown.status_code == 503
        error: dict[str, Any] = shown.json()["error"]
        assert (error["code"], "the key old" in error["message"]) == ("payload_key_missing", True)
        again = await world.http.post("/v1/chat/completions", json=body("after"))
        assert again.status_code == 200
        model.may_answer.set()

        async def refused() -> bool:
            kinds = [event.event_type for event in await events(raw, model.run_id)]
            return EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED in kinds

        await until(refused)
        write(keys, NEW, OLD)
        assert (await answering).message.content == WORD
        assert (await world.http.get(f"/v1/runs/{before.run_id}")).status_code == 200


async def test_the_schedule_of_a_source_is_written_anew_with_the_key_of_now(
    temporal_address: str, tmp_path: Path, raw: Client
) -> None:
    keys = write(tmp_path / "keys", OLD)
    config = raw.config()
    config["data_converter"] = data_converter(PayloadSettings(keys_file=keys))
    starter = TemporalSyncStarter(Client(**config))
    source = Source(key(), "default", "library", key(), "docs", FileConfig("/nowhere"), 3600.0, 0)

    async def encrypted_with() -> bytes:
        described = await raw.get_schedule_handle(source.workflow_id).describe()
        [payload] = described.raw_description.schedule.action.start_workflow.input.payloads
        return payload.metadata["encryption-key-id"]

    try:
        await starter.keep(source)
        assert await encrypted_with() == b"old"
        write(keys, NEW, OLD)
        await starter.keep(source)
        assert await encrypted_with() == b"new"
    finally:
        await starter.drop(source.workflow_id)


async def test_an_ingest_outlives_a_worker_that_cannot_read_its_heartbeat(
    raw: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "KEY_PAUSE", timedelta(milliseconds=10))
    done: list[str] = []

    @activity.defn(name=steps.INDEX)
    async def index(request: IngestWorkflowInput) -> IngestWorkflowResult:
        done.append("index")
        if len(done) == 1:
            # As the SDK says it where the details of the last heartbeat cannot be decoded.
            missing = to_application_error(PayloadKeyMissing("new"), retryable=True)
            raise ApplicationError("Failed decoding heartbeat details", non_retryable=True) from missing
        return IngestWorkflowResult(chunk_count=3)

    @activity.defn(name=steps.SWAP)
    async def swap(request: IngestWorkflowInput) -> IngestWorkflowResult:
        return IngestWorkflowResult()

    @activity.defn(name=steps.REMOVE_STALE)
    async def remove_stale(request: IngestWorkflowInput) -> IngestWorkflowResult:
        return IngestWorkflowResult()

    queue = key()
    runner = UnsandboxedWorkflowRunner()
    workflows, activities = [ingest.IngestWorkflow], [index, swap, remove_stale]
    async with Worker(raw, task_queue=queue, workflows=workflows, activities=activities, workflow_runner=runner):
        result = await raw.execute_workflow(
            ingest.IngestWorkflow.run, IngestWorkflowInput(), id=key(), task_queue=queue
        )
    assert (result.chunk_count, done) == (3, ["index", "index"])
