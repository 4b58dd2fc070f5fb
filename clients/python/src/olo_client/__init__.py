"""The Python client of Open LLM Orchestrator."""

from olo_client.async_client import AsyncOlo
from olo_client.client import Olo
from olo_client.errors import (
    AuthenticationError,
    ConflictError,
    ExhaustedError,
    InvalidRequestError,
    NotFoundError,
    OloError,
    PermissionDeniedError,
    TimeoutError,
    UnavailableError,
)

__all__ = [
    "AsyncOlo",
    "AuthenticationError",
    "ConflictError",
    "ExhaustedError",
    "InvalidRequestError",
    "NotFoundError",
    "Olo",
    "OloError",
    "PermissionDeniedError",
    "TimeoutError",
    "UnavailableError",
]
