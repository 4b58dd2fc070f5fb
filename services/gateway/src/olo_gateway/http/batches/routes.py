"""/v1/batches."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from google.protobuf.timestamp_pb2 import Timestamp

from olo.gateway.v1 import batch_service_pb2 as pb
from olo_common.durations import seconds_of
from olo_gateway.access.caller import tenant
from olo_gateway.batches.order import BatchOrder, seconds_of_window, window_of_seconds
from olo_gateway.calls.batches import Batches
from olo_gateway.http.batches import schemas
from olo_gateway.http.body import StrictRoute
from olo_gateway.http.schemas import AN_ERROR

_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"description": "A field is wrong; `param` names it.", **AN_ERROR},
    404: {"description": "There is no such batch or file.", **AN_ERROR},
    409: {"description": "The Idempotency-Key was used for another batch.", **AN_ERROR},
    412: {"description": "The batch has ended.", **AN_ERROR},
    501: {"description": "The operator has given no place for files.", **AN_ERROR},
    503: {"description": "A part of the system is away.", **AN_ERROR},
}


def batch_routes(batches: Batches) -> APIRouter:
    """The routes of batches."""
    router = APIRouter(route_class=StrictRoute, tags=["batches"])

    @router.post("/v1/batches", summary="Answer the lines of a file", responses=_ERRORS)
    async def create(
        body: schemas.BatchRequest,
        idempotency_key: Annotated[str | None, Header(description="The same key returns the same batch.")] = None,
    ) -> schemas.BatchObject:
        expiry = body.output_expires_after
        order = BatchOrder(
            input_file_id=body.input_file_id,
            endpoint=body.endpoint,
            window=seconds_of_window(body.completion_window),
            metadata=body.metadata or {},
            request_id=idempotency_key or "",
            output_expires_after=expiry.seconds if expiry else None,
        )
        return batch_of(await batches.create(tenant(), order))

    @router.get("/v1/batches", summary="List the batches, newest first", responses=_ERRORS)
    async def list_batches(
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        after: Annotated[str, Query(description="The last batch of the page before.")] = "",
    ) -> schemas.BatchList:
        found, more = await batches.list(tenant(), limit, after)
        return schemas.BatchList(
            data=[batch_of(batch) for batch in found],
            has_more=more,
            first_id=found[0].batch_id if found else None,
            last_id=found[-1].batch_id if found else None,
        )

    @router.get("/v1/batches/{batch_id}", summary="Show a batch", responses=_ERRORS)
    async def get(batch_id: str) -> schemas.BatchObject:
        return batch_of(await batches.get(tenant(), batch_id))

    @router.post("/v1/batches/{batch_id}/cancel", summary="Stop a batch; what is done stays", responses=_ERRORS)
    async def cancel(batch_id: str) -> schemas.BatchObject:
        return batch_of(await batches.cancel(tenant(), batch_id))

    @router.post("/v1/batches/{batch_id}/pause", summary="Begin no further line for now", responses=_ERRORS)
    async def pause(batch_id: str) -> schemas.BatchObject:
        return batch_of(await batches.pause(tenant(), batch_id))

    @router.post("/v1/batches/{batch_id}/resume", summary="Go on with a batch", responses=_ERRORS)
    async def resume(batch_id: str) -> schemas.BatchObject:
        return batch_of(await batches.resume(tenant(), batch_id))

    @router.get(
        "/v1/batches/{batch_id}/results",
        summary="Download the results that there are, of a batch that runs too",
        response_class=StreamingResponse,
        responses={200: {"content": {"application/jsonl": {}}}, **_ERRORS},
    )
    async def results(batch_id: str) -> StreamingResponse:
        await batches.get(tenant(), batch_id)
        return StreamingResponse(batches.results(tenant(), batch_id), media_type="application/jsonl")

    return router


def batch_of(batch: pb.Batch) -> schemas.BatchObject:
    """A batch in the dialect."""
    ended = {batch.status: _seconds(batch.end_time)}
    metadata = dict(batch.metadata)
    return schemas.BatchObject(
        id=batch.batch_id,
        endpoint=batch.endpoint,
        errors=_issues(batch) if batch.errors else None,
        input_file_id=batch.input_file_id,
        completion_window=window_of_seconds(seconds_of(batch.completion_window)),
        status=pb.BatchStatus.Name(batch.status).removeprefix("BATCH_STATUS_").lower(),  # type: ignore[arg-type]
        paused=batch.paused,
        output_file_id=batch.output_file_id or None,
        error_file_id=batch.error_file_id or None,
        created_at=batch.create_time.seconds,
        in_progress_at=_seconds(batch.in_progress_time),
        expires_at=batch.create_time.seconds + batch.completion_window.seconds,
        finalizing_at=_seconds(batch.finalizing_time),
        completed_at=ended.get(pb.BATCH_STATUS_COMPLETED),
        failed_at=ended.get(pb.BATCH_STATUS_FAILED),
        expired_at=ended.get(pb.BATCH_STATUS_EXPIRED),
        cancelling_at=_seconds(batch.cancelling_time),
        cancelled_at=ended.get(pb.BATCH_STATUS_CANCELLED),
        request_counts=schemas.BatchCounts(
            total=batch.total_count, completed=batch.completed_count, failed=batch.failed_count
        ),
        usage=schemas.BatchUsage(
            input_tokens=batch.prompt_tokens,
            input_tokens_details={"cached_tokens": 0},
            output_tokens=batch.completion_tokens,
            output_tokens_details={"reasoning_tokens": 0},
            total_tokens=batch.prompt_tokens + batch.completion_tokens,
        ),
        metadata=metadata or None,
    )


def _issues(batch: pb.Batch) -> schemas.BatchIssues:
    return schemas.BatchIssues(
        data=[
            schemas.BatchIssue(
                code=error.code, message=error.message, line=error.line or None, param=error.param or None
            )
            for error in batch.errors
        ]
    )


def _seconds(time: Timestamp) -> int | None:
    return time.seconds or None
