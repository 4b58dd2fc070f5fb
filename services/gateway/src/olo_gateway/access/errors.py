"""Why a caller is not let in.

OloError
+-- KeyMissing, KeyRefused, KeysDisagree   nobody can say who calls
+-- Forbidden, RateLimited                 it is known who calls, and they may not, or not now
"""

from __future__ import annotations

from olo_common.errors import ErrorCode, OloError


class KeyMissing(OloError):
    """The call carries no key."""

    code = ErrorCode.UNAUTHENTICATED
    reason = "auth_missing"

    def __init__(self) -> None:
        super().__init__("an API key is needed: Authorization: Bearer <key>")


class KeyRefused(OloError):
    """The call carries no key that holds. Whether it never did, or does no longer, is not told."""

    code = ErrorCode.UNAUTHENTICATED
    reason = "auth_invalid"

    def __init__(self) -> None:
        super().__init__("this API key is not valid")


class KeysDisagree(OloError):
    """The call carries two keys."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "auth_ambiguous"

    def __init__(self) -> None:
        super().__init__("the call carries two different API keys; send one")


class Forbidden(OloError):
    """The key is not for this."""

    code = ErrorCode.PERMISSION_DENIED
    reason = "forbidden"


class RateLimited(OloError):
    """The key has used up what it may.

    Args:
        message: One sentence.
        of: Of what: `requests`, `tokens` or `concurrency`.
        retry_after: Seconds until there is some again.
    """

    code = ErrorCode.RESOURCE_EXHAUSTED
    reason = "rate_limited"

    def __init__(self, message: str, of: str, retry_after: float) -> None:
        super().__init__(message, retry_after=retry_after, metadata={"limit": of})
