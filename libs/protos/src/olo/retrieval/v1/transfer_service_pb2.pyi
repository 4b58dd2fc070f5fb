from olo.retrieval.v1 import retrieval_service_pb2 as _retrieval_service_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ExportCollectionRequest(_message.Message):
    __slots__ = ("name", "tenant", "leave_out_vectors")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    LEAVE_OUT_VECTORS_FIELD_NUMBER: _ClassVar[int]
    name: str
    tenant: str
    leave_out_vectors: bool
    def __init__(self, name: _Optional[str] = ..., tenant: _Optional[str] = ..., leave_out_vectors: _Optional[bool] = ...) -> None: ...

class ExportCollectionResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class ImportHeader(_message.Message):
    __slots__ = ("name", "tenant", "embedding_model_id")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    name: str
    tenant: str
    embedding_model_id: str
    def __init__(self, name: _Optional[str] = ..., tenant: _Optional[str] = ..., embedding_model_id: _Optional[str] = ...) -> None: ...

class ImportCollectionRequest(_message.Message):
    __slots__ = ("header", "data")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    header: ImportHeader
    data: bytes
    def __init__(self, header: _Optional[_Union[ImportHeader, _Mapping]] = ..., data: _Optional[bytes] = ...) -> None: ...

class ImportCollectionResponse(_message.Message):
    __slots__ = ("collection", "documents_to_index")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_TO_INDEX_FIELD_NUMBER: _ClassVar[int]
    collection: _retrieval_service_pb2.Collection
    documents_to_index: int
    def __init__(self, collection: _Optional[_Union[_retrieval_service_pb2.Collection, _Mapping]] = ..., documents_to_index: _Optional[int] = ...) -> None: ...
