"""What can go wrong with payloads that are kept beside Temporal. None of it is mended by doing the work again.

OloError
+-- PayloadMissing      it is no longer there: older than the retention, or another store
+-- PayloadCorrupt      it is not what was written
+-- PayloadNotStored    it is too large, or the store does not take it
"""

from __future__ import annotations

from temporalio.exceptions import ApplicationError

from olo_common.errors import ErrorCode, OloError
from olo_common.failures import to_application_error


class PayloadMissing(OloError):
    """A payload is no longer there."""

    reason = "payload_missing"

    def __init__(self) -> None:
        super().__init__("a large part of the request or its answer is no longer stored")


class PayloadCorrupt(OloError):
    """A payload is not what was written."""

    reason = "payload_corrupt"

    def __init__(self) -> None:
        super().__init__("a large part of the request or its answer was damaged in storage")


class PayloadNotStored(OloError):
    """A payload cannot be stored."""

    code = ErrorCode.UNAVAILABLE
    reason = "payload_not_stored"

    def __init__(self, why: str) -> None:
        super().__init__(f"a large part of the request or its answer cannot be stored: {why}")


def final(error: OloError) -> ApplicationError:
    """The error as the SDK must see it to fail what it belongs to at once and for good."""
    return to_application_error(error, retryable=False)
