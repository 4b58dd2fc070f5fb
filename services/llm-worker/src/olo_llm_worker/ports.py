"""What the service needs from outside."""

from __future__ import annotations

from typing import Protocol


class Publisher(Protocol):
    """Takes messages for whoever listens."""

    async def publish(self, subject: str, payload: bytes) -> bool:
        """Publishes; False where nobody can hear it now. Never fails."""
