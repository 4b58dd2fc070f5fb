"""What can go wrong with payloads that are kept beside Temporal, or are encrypted.

    OloError
    +-- PayloadMissing          it is no longer there: older than the retention, or another store
    +-- PayloadCorrupt          it is not what was written
    +-- PayloadNotStored        it is too large, or the store does not take it
    +-- PayloadUnreadable       it is there, and this process cannot read it
        +-- PayloadKeyMissing       its key is not in the file
        +-- PayloadNotAuthentic     the key of that id does not open it, or it belongs to another workflow
        +-- PayloadInClear          it is not encrypted, and has to be

Nothing of the first three is mended by doing the work again. What is unreadable here may be read by a process with
other keys, or by this one once its file has them: so it is tried again, and loses no run.
"""

from __future__ import annotations

from typing import Final

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


class PayloadUnreadable(OloError):
    """A payload that is there cannot be read with the keys of this process as they are now."""

    code = ErrorCode.UNAVAILABLE

    def __init__(self, message: str, key_id: str = "") -> None:
        super().__init__(message, retry_after=5.0, metadata={"key_id": key_id} if key_id else None)


class PayloadKeyMissing(PayloadUnreadable):
    """The key of a payload is not there."""

    reason = "payload_key_missing"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"a part of the run is encrypted with the key {key_id}, which this process lacks", key_id)


class PayloadNotAuthentic(PayloadUnreadable):
    """A payload is not what was encrypted with its key, or not here."""

    reason = "payload_not_authentic"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"a part of the run is not what was encrypted for it with the key {key_id}", key_id)


class PayloadInClear(PayloadUnreadable):
    """A payload is not encrypted, though it has to be."""

    reason = "payload_in_clear"

    def __init__(self) -> None:
        super().__init__("a part of the run is not encrypted, and this process takes nothing else")


UNREADABLE: Final = (PayloadKeyMissing.reason, PayloadNotAuthentic.reason, PayloadInClear.reason)
"""Reasons that pass when the process that reads has other keys."""


def final(error: OloError) -> ApplicationError:
    """The error as the SDK must see it to fail what it belongs to at once and for good."""
    return to_application_error(error, retryable=False)
