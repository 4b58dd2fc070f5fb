"""What the service needs from outside."""

from __future__ import annotations

from typing import Protocol

from olo.inference.v1.inference_service_pb2 import GenerateProgress


class Publisher(Protocol):
    """Takes messages for whoever listens."""

    async def publish(self, subject: str, payload: bytes) -> bool:
        """Publishes; False where nobody can hear it now. Never fails."""


class Heartbeats(Protocol):
    """Tells Temporal of the progress of an activity, and knows that it has arrived."""

    async def told(self, task_token: bytes, progress: GenerateProgress) -> bool:
        """Whether Temporal has taken it down; False where it does not answer, or wants the activity no more."""
