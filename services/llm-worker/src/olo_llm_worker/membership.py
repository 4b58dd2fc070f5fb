"""How a worker takes part in the fleet, wherever its model is: who it is, what it announces, which queue it serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from temporalio.client import Client
from temporalio.worker import Worker

import olo_events
from olo_common.temporal import build_id
from olo_contracts.queues import llm_queue
from olo_llm_worker.attempts import HEARTBEAT_SECONDS
from olo_llm_worker.responses import Identity
from olo_worker.presence import Advertisement

if TYPE_CHECKING:
    from olo_llm_worker.settings import LlmWorkerSettings


def generate_worker(client: Client, settings: LlmWorkerSettings, generate: Callable[..., Any]) -> Worker:
    """A Temporal worker that runs `generate` on the queue of the model, in as many slots as it may have."""
    return Worker(
        client,
        task_queue=llm_queue(settings.model_id),
        activities=[generate],
        build_id=build_id("olo-llm-worker"),
        max_concurrent_activities=settings.max_concurrency,
        graceful_shutdown_timeout=timedelta(seconds=settings.grace_seconds),
        max_heartbeat_throttle_interval=timedelta(seconds=0.5),
        default_heartbeat_throttle_interval=timedelta(seconds=HEARTBEAT_SECONDS),
    )


def identity_of(settings: LlmWorkerSettings) -> Identity:
    """Who answers."""
    return Identity(
        model_id=settings.model_id,
        model_name=settings.model_name or settings.model_id,
        instance_id=settings.instance_id,
        task_queue=llm_queue(settings.model_id),
        max_concurrency=settings.max_concurrency,
    )


def advertisement_of(
    settings: LlmWorkerSettings,
    identity: Identity,
    address: str,
    *,
    context_limit: int,
    hardware: str,
    capabilities: Sequence[str],
) -> Advertisement:
    """What is announced; `hardware` is `cpu` or `gpu`."""
    return Advertisement(
        instance_id=identity.instance_id,
        model_id=identity.model_id,
        model_name=identity.model_name,
        model_type=olo_events.ModelType.LLM,
        priority=settings.priority,
        default_flag=settings.default_flag,
        max_concurrency=settings.max_concurrency,
        context_limit=context_limit,
        hardware_type=olo_events.HardwareType[hardware.upper()],
        address=settings.advertised_address or address,
        task_queue=identity.task_queue,
        capabilities=capabilities,
        labels=settings.labels,
    )
