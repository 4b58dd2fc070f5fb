"""What can go wrong with a model that is served elsewhere.

OloError
+-- UpstreamDenied        it does not accept the key of this worker, or the account has no quota left
+-- UpstreamMisses        it does not have the model
+-- UpstreamBusy          it takes no more requests for now
+-- UpstreamUnavailable   it cannot be reached, does not answer in time, or has failed
+-- UpstreamBroken        its answer ended too early, or is not what the protocol says
+-- UpstreamRejected      it does not accept the request
+-- UpstreamWithheld      it does not give out the answer
+-- NotLoadedHere         loading and unloading are not this worker's
"""

from __future__ import annotations

from olo_common.errors import ErrorCode, OloError


class UpstreamDenied(OloError):
    """The upstream does not accept the key of this worker."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "upstream_denied"

    def __init__(self) -> None:
        super().__init__("the server of the model does not accept the key of the worker, or its quota is used up")


class UpstreamMisses(OloError):
    """The upstream does not have the model."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "upstream_model_missing"

    def __init__(self) -> None:
        super().__init__("the server of the model does not have it under the configured name")


class UpstreamBusy(OloError):
    """The upstream takes no more requests for now."""

    code = ErrorCode.RESOURCE_EXHAUSTED
    reason = "upstream_busy"

    def __init__(self, retry_after: float) -> None:
        super().__init__("the server of the model takes no more requests for now", retry_after=retry_after)


class UpstreamUnavailable(OloError):
    """The upstream cannot answer now."""

    code = ErrorCode.UNAVAILABLE
    reason = "upstream_unavailable"

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message, retry_after=retry_after)


class UpstreamBroken(OloError):
    """The answer of the upstream ended too early, or is not what the protocol says."""

    code = ErrorCode.UNAVAILABLE
    reason = "upstream_broken"

    def __init__(self, message: str) -> None:
        super().__init__(message, retry_after=1.0)


class UpstreamRejected(OloError):
    """The upstream does not accept the request."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "upstream_rejected"

    def __init__(self) -> None:
        super().__init__("the server of the model does not accept the request; the log of the worker has the kind")


class UpstreamWithheld(OloError):
    """The upstream does not give out the answer."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "upstream_withheld"

    def __init__(self) -> None:
        super().__init__("the server of the model withholds the answer")


class TokenizerElsewhere(OloError):
    """The tokenizer of the model is not here."""

    code = ErrorCode.UNIMPLEMENTED
    reason = "tokenizer_elsewhere"

    def __init__(self) -> None:
        super().__init__("the model is served elsewhere, and its tokenizer is not here", field="model")


class NotLoadedHere(OloError):
    """Loading and unloading are not this worker's."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "served_elsewhere"

    def __init__(self) -> None:
        super().__init__("the model is served elsewhere: it cannot be unloaded or warmed from here")
