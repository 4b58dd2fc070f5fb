"""The Python client of Open LLM Orchestrator."""

from olo_client.async_client import AsyncOlo
from olo_client.client import Olo
from olo_client.errors import (
    ConflictError,
    ExhaustedError,
    InvalidRequestError,
    NotFoundError,
    OloError,
    TimeoutError,
    UnavailableError,
)
from olo_client.tls import Tls

__all__ = [
    "AsyncOlo",
    "ConflictError",
    "ExhaustedError",
    "InvalidRequestError",
    "NotFoundError",
    "Olo",
    "OloError",
    "TimeoutError",
    "Tls",
    "UnavailableError",
]
