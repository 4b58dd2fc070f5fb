"""What can go wrong at the gateway itself.

OloError
+-- NoModelAvailable, ModelUnavailable     nobody can answer now
+-- Overloaded                             too many runs at once
+-- GatewayStopping                        this process ends; another one may answer
+-- RunNotFound, ResponseNotFound, ModelNotFound, NodeNotFound
+-- RunUnanswered                          nothing to compare a replay with
+-- NoReranker                             nobody can order documents
+-- StoredFileNotFound, FileTooLarge, FilesDisabled, StoreAway   files of callers
+-- BatchNotFound, BatchEnded, BatchConflict
+-- VectorStoreNotFound
+-- RequestIdConflict                      one request_id, two requests
+-- DeadlineExceeded, RunCancelled         the run ended without an answer
+-- OffsetInvalid                          a stream cannot be resumed there
+-- ClientTooSlow                          a stream that its caller does not read
+-- AnswerRestarted                        a stream whose dialect cannot take text back
+-- NotOffered                             what other servers of the dialect do, and this one does not
+-- PassagesTooLarge                       what was found does not fit the run
+-- RequestPoisoned                        workers died of it
+-- those of `access.errors`               who calls is not known, or may not, or not now
"""

from __future__ import annotations

from olo_common.errors import ErrorCode, OloError


class NoModelAvailable(OloError):
    """No model can answer now."""

    code = ErrorCode.UNAVAILABLE
    reason = "no_model_available"


class ModelUnavailable(OloError):
    """The model that the caller has named cannot answer now, and no other may."""

    code = ErrorCode.UNAVAILABLE
    reason = "model_unavailable"


class Overloaded(OloError):
    """Too many runs are in flight."""

    code = ErrorCode.RESOURCE_EXHAUSTED
    reason = "overloaded"


class GatewayStopping(OloError):
    """This process takes nothing new."""

    code = ErrorCode.UNAVAILABLE
    reason = "gateway_stopping"

    def __init__(self) -> None:
        super().__init__("this gateway is stopping; ask another one, or this one a little later", retry_after=1.0)


class RunNotFound(OloError):
    """There is no run with this id, or no longer."""

    code = ErrorCode.NOT_FOUND
    reason = "run_not_found"

    def __init__(self) -> None:
        super().__init__("there is no run with this id", field="run_id")


class ResponseNotFound(OloError):
    """There is no response with this id, or no longer."""

    code = ErrorCode.NOT_FOUND
    reason = "response_not_found"

    def __init__(self) -> None:
        super().__init__("there is no response with this id", field="response_id")


class RunUnanswered(OloError):
    """The run has no answer."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "run_unanswered"

    def __init__(self) -> None:
        super().__init__("only a run that was answered can be replayed", field="run_id")


class StoredFileNotFound(OloError):
    """There is no file with this id, or no longer."""

    code = ErrorCode.NOT_FOUND
    reason = "file_not_found"

    def __init__(self, field: str = "file_id") -> None:
        super().__init__("there is no file with this id", field=field)


class FileTooLarge(OloError):
    """The file has more bytes than the operator allows."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "file_too_large"

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"file: at most {max_bytes} bytes are taken", field="file")


class FilesDisabled(OloError):
    """The operator has given no place for files."""

    code = ErrorCode.UNIMPLEMENTED
    reason = "files_disabled"

    def __init__(self) -> None:
        super().__init__("this gateway keeps no files: its operator has to set OLO_GATEWAY_FILES")


class StoreAway(OloError):
    """The place of files does not answer."""

    code = ErrorCode.UNAVAILABLE
    reason = "file_store_unavailable"

    def __init__(self) -> None:
        super().__init__("the store of files does not answer", retry_after=2.0)


class ObjectMissing(OloError):
    """The store of files has nothing under this key."""

    code = ErrorCode.NOT_FOUND
    reason = "object_missing"

    def __init__(self) -> None:
        super().__init__("the store of files does not have it")


class BatchNotFound(OloError):
    """There is no batch with this id."""

    code = ErrorCode.NOT_FOUND
    reason = "batch_not_found"

    def __init__(self) -> None:
        super().__init__("there is no batch with this id", field="batch_id")


class BatchEnded(OloError):
    """The batch has ended."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "batch_ended"

    def __init__(self) -> None:
        super().__init__("this batch has ended", field="batch_id")


class BatchConflict(OloError):
    """The request id belongs to another batch."""

    code = ErrorCode.ALREADY_EXISTS
    reason = "request_id_conflict"

    def __init__(self) -> None:
        super().__init__("this request_id was used for another batch", field="request_id")


class VectorStoreNotFound(OloError):
    """There is no vector store with this id."""

    code = ErrorCode.NOT_FOUND
    reason = "vector_store_not_found"

    def __init__(self) -> None:
        super().__init__("there is no vector store with this id", field="vector_store_id")


class NotMirrored(OloError):
    """The request of the run is not given to the shadow."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "not_mirrored"


class ModelNotFound(OloError):
    """There is no model with this id."""

    code = ErrorCode.NOT_FOUND
    reason = "model_not_found"

    def __init__(self) -> None:
        super().__init__("there is no model with this id", field="model")


class NoReranker(OloError):
    """No instance has a reranker."""

    code = ErrorCode.FAILED_PRECONDITION
    reason = "reranker_not_loaded"

    def __init__(self) -> None:
        super().__init__("no embedding model that is there has a reranker")


class NodeNotFound(OloError):
    """No live instance is on such a node."""

    code = ErrorCode.NOT_FOUND
    reason = "node_not_found"

    def __init__(self) -> None:
        super().__init__("there is no node with this name", field="name")


class RequestIdConflict(OloError):
    """The request_id belongs to a run of another request."""

    code = ErrorCode.ALREADY_EXISTS
    reason = "request_id_conflict"

    def __init__(self) -> None:
        super().__init__("this request_id was used for another request", field="request_id")


class DeadlineExceeded(OloError):
    """The run's time is over."""

    code = ErrorCode.DEADLINE_EXCEEDED
    reason = "deadline_exceeded"


class RunCancelled(OloError):
    """The run was cancelled."""

    code = ErrorCode.CANCELLED
    reason = "run_cancelled"


class OffsetInvalid(OloError):
    """A stream cannot be resumed from this offset."""

    code = ErrorCode.OUT_OF_RANGE
    reason = "offset_invalid"

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: the answer has no such place; follow it without", field=field)


class ClientTooSlow(OloError):
    """The caller does not read its stream."""

    code = ErrorCode.CANCELLED
    reason = "client_too_slow"

    def __init__(self) -> None:
        super().__init__("the stream was not read; resume it by the id of the run")


class AnswerRestarted(OloError):
    """Another attempt answers differently from what was sent, and the dialect has no word for that."""

    code = ErrorCode.ABORTED
    reason = "answer_restarted"

    def __init__(self) -> None:
        super().__init__("the answer was begun again and differs from the text sent so far; ask again", retry_after=0.0)


class NotOffered(OloError):
    """A call of a dialect that has no meaning here."""

    code = ErrorCode.UNIMPLEMENTED
    reason = "not_offered"


class PassagesTooLarge(OloError):
    """The passages that a search has found are more than a run can hold without OLO_PAYLOAD_STORE."""

    code = ErrorCode.INVALID_ARGUMENT
    reason = "passages_too_large"

    def __init__(self, size: int, most: int) -> None:
        told = f"the passages that were found have {size} bytes; at most {most} are taken: ask for fewer"
        super().__init__(told, field="rag.top_k", metadata={"bytes": str(size), "max_bytes": str(most)})


class RequestPoisoned(OloError):
    """Every worker that took the request fell silent; it gets no further one."""

    code = ErrorCode.INTERNAL
    reason = "request_poisoned"

    def __init__(self) -> None:
        super().__init__("the workers that took this request stopped answering; it is not tried again")
