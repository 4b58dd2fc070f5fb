"""The groups of calls of `Olo`: runs, models, collections, documents."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Unpack

from olo.gateway.v1.gateway_service_pb2 import (
    CancelRunRequest,
    GetRunRequest,
    ListModelsRequest,
    ListRunsRequest,
    ModelSummary,
    ReplayRunRequest,
    ReplayRunResponse,
    TraceRunRequest,
    TraceRunResponse,
)
from olo.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub
from olo.gateway.v1.run_pb2 import Run
from olo.registry.v1 import registry_service_pb2 as rg
from olo.registry.v1.registry_service_pb2_grpc import RegistryServiceStub
from olo.retrieval.v1 import retrieval_service_pb2 as pb
from olo.retrieval.v1 import transfer_service_pb2 as tr
from olo.retrieval.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from olo.retrieval.v1.transfer_service_pb2_grpc import TransferServiceStub
from olo_client.administration import Policy, alias_request, update_request
from olo_client.calls import Calls
from olo_client.files import pieces
from olo_client.requests import chunking_message, document_input, model_type
from olo_client.transfers import TRANSFER_SECONDS, import_requests
from olo_client.uploads import Progress, is_indexing, pauses, upload_input


class Runs:
    """Durable requests: what became of them."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = GatewayServiceStub(calls.channel)

    def get(self, run_id: str) -> Run:
        """One run, with its answer once it has one."""
        return (self._calls.call(self._stub.GetRun, GetRunRequest(run_id=run_id))).run

    def list(self, limit: int | None = None) -> Iterator[Run]:
        """Runs, newest first, without their answers."""
        return self._calls.pages(
            lambda token: self._calls.call(self._stub.ListRuns, ListRunsRequest(page_token=token)),
            lambda page: page.runs,
            limit,
        )

    def replay(self, run_id: str, *, model: str = "", profile: str = "") -> ReplayRunResponse:
        """Runs the request of an earlier run anew, with the passages that were found then; gives both answers."""
        request = ReplayRunRequest(run_id=run_id, model=model, profile=profile)
        return self._calls.call(self._stub.ReplayRun, request, repeatable=False)

    def trace(self, run_id: str) -> TraceRunResponse:
        """Where the time of a run went: its steps, with their starts and ends."""
        return self._calls.call(self._stub.TraceRun, TraceRunRequest(run_id=run_id))

    def cancel(self, run_id: str) -> Run:
        """Asks a run to stop; one that has ended is left as it is."""
        return (self._calls.call(self._stub.CancelRun, CancelRunRequest(run_id=run_id))).run


class Models:
    """Models that can be asked for, and what the operator decides of them."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = GatewayServiceStub(calls.channel)
        self._registry = RegistryServiceStub(calls.channel)

    def list(self, kind: str | None = None) -> Iterator[ModelSummary]:
        """The models; `kind` is "llm", "embedding" or None for all."""
        return self._calls.pages(
            lambda token: self._calls.call(
                self._stub.ListModels, ListModelsRequest(page_token=token, model_type=model_type(kind))
            ),
            lambda page: page.models,
            None,
        )

    def get(self, model_id: str) -> rg.Model:
        """One model with its instances and all that the operator has decided."""
        return (self._calls.call(self._registry.GetModel, rg.GetModelRequest(model_id=model_id))).model

    def update(self, model_id: str, **policy: Unpack[Policy]) -> rg.Model:
        """Sets the operator's policy; what is left out stays as it is."""
        return (self._calls.call(self._registry.UpdateModel, update_request(model_id, **policy))).model

    def drain(self, *, model_id: str = "", instance_id: str = "") -> Sequence[str]:
        """Has an instance, or all that a model has now, finish its work and take nothing new; gives their ids."""
        request = rg.DrainInstancesRequest(model_id=model_id, instance_id=instance_id)
        return (self._calls.call(self._registry.DrainInstances, request)).instance_ids

    def aliases(self) -> Sequence[rg.Alias]:
        """The names that stand for models."""
        return (self._calls.call(self._registry.ListAliases, rg.ListAliasesRequest())).aliases

    def set_alias(
        self, alias: str, targets: str | Mapping[str, int], shadow: tuple[str, int] | None = None
    ) -> rg.Alias:
        """Makes a name stand for a model, or for several with weights: {"a": 9, "b": 1}.

        Of a hundred requests, as many as `shadow` says are mirrored to its model, to compare the answers: ("c", 10).
        """
        return (self._calls.call(self._registry.SetAlias, alias_request(alias, targets, shadow))).alias

    def delete_alias(self, alias: str) -> None:
        """Ends an alias."""
        self._calls.call(self._registry.DeleteAlias, rg.DeleteAliasRequest(alias=alias), repeatable=False)


class Collections:
    """Sets of documents that are searched together."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = RetrievalServiceStub(calls.channel)
        self._transfers = TransferServiceStub(calls.channel)

    def create(
        self,
        name: str,
        embedding_model: str | None = None,
        *,
        strategy: str = "structure",
        max_tokens: int = 0,
        overlap_tokens: int = 0,
    ) -> pb.Collection:
        """Makes an empty collection.

        Args:
            name: Its name.
            embedding_model: The model that embeds it; None: the default one.
            strategy: What a passage is: "structure", "parent_child" or "fixed".
            max_tokens: Tokens of a passage at most; 0: what the service is set to.
            overlap_tokens: Tokens that a passage repeats of the one before it.
        """
        request = pb.CreateCollectionRequest(
            name=name,
            embedding_model_id=embedding_model or "",
            chunking=chunking_message(strategy, max_tokens, overlap_tokens),
        )
        return (self._calls.call(self._stub.CreateCollection, request, repeatable=False)).collection

    def get(self, name: str) -> pb.Collection:
        """One collection."""
        return (self._calls.call(self._stub.GetCollection, pb.GetCollectionRequest(name=name))).collection

    def update(self, name: str, *, retriever: str | None = None) -> pb.Collection:
        """Sets how a collection is searched where a search does not say so; "" for what the service is set to."""
        request = pb.UpdateCollectionRequest(name=name, retriever=retriever)
        return (self._calls.call(self._stub.UpdateCollection, request)).collection

    def list(self) -> Iterator[pb.Collection]:
        """The collections by name."""
        return self._calls.pages(
            lambda token: self._calls.call(self._stub.ListCollections, pb.ListCollectionsRequest(page_token=token)),
            lambda page: page.collections,
            None,
        )

    def delete(self, name: str) -> None:
        """Deletes a collection with its documents."""
        self._calls.call(self._stub.DeleteCollection, pb.DeleteCollectionRequest(name=name), repeatable=False)

    def export(self, name: str, *, vectors: bool = True, timeout: float = TRANSFER_SECONDS) -> Iterator[bytes]:
        """A collection as a file, in pieces. Without vectors it is smaller, and embedded anew where it comes in."""
        request = tr.ExportCollectionRequest(name=name, leave_out_vectors=not vectors)
        return pieces(self._calls, self._transfers.ExportCollection, request, timeout)

    def import_file(
        self, source: Path | bytes, *, name: str = "", embedding_model: str = "", timeout: float = TRANSFER_SECONDS
    ) -> tr.ImportCollectionResponse:
        """Makes a collection of a file that `export` has given: it is there with all of its documents, or not at all.

        Args:
            source: A file of this machine, or bytes.
            name: How it will be called; empty: as it was.
            embedding_model: The model that embeds it, `auto` for the default one; empty: the one that has embedded it,
                or the default one where that is not known.
            timeout: Seconds for the transfer.
        """
        requests = import_requests(source, tr.ImportHeader(name=name, embedding_model_id=embedding_model))
        return self._calls.call(self._transfers.ImportCollection, requests, timeout=timeout, repeatable=False)


class Documents:
    """Texts with their sources."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._stub = RetrievalServiceStub(calls.channel)

    def ingest(
        self,
        collection: str,
        content: str | bytes,
        *,
        document_id: str | None = None,
        title: str | None = None,
        source: str | None = None,
        metadata: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> pb.Document:
        """Stores a document and starts its indexing; `get` tells when its state is READY.

        A text is plain text or Markdown; bytes are a file, such as a PDF, whose type the ending of `source` or the
        `media_type` names.

        Without an id, one is made from the source; the same id replaces the earlier version when the new one is ready.
        """
        document = document_input(content, document_id, title, source, metadata, media_type=media_type)
        request = pb.IngestDocumentRequest(collection=collection, document=document)
        return (self._calls.call(self._stub.IngestDocument, request)).document

    def upload(
        self,
        collection: str,
        path: str | Path,
        *,
        document_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
        progress: Progress | None = None,
        wait_seconds: float = 300.0,
    ) -> pb.Document:
        """Sends a file and waits until searches see it, or its indexing has failed: the document's `state` says which.

        Args:
            collection: An existing collection.
            path: A file of up to 16 MiB whose text can be read.
            document_id: Left out: made from the name of the file.
            metadata: Goes with the document.
            progress: Is told how far the indexing has come, 0 to 100.
            wait_seconds: How long it may take.
        """
        request = pb.IngestDocumentRequest(
            collection=collection, document=upload_input(Path(path), document_id, metadata)
        )
        document = (self._calls.call(self._stub.IngestDocument, request)).document
        waits = pauses(wait_seconds)
        while is_indexing(document, progress):
            time.sleep(next(waits))
            document = self.get(collection, document.document_id)
        return document

    def ingest_url(self, collection: str, url: str, *, document_id: str | None = None) -> pb.Document:
        """Has the service fetch a page or file of the public web, where its operator allows that."""
        document = pb.DocumentInput(url=url, document_id=document_id or "")
        request = pb.IngestDocumentRequest(collection=collection, document=document)
        return (self._calls.call(self._stub.IngestDocument, request)).document

    def ingest_many(self, collection: str, documents: Sequence[pb.DocumentInput]) -> Sequence[pb.IngestDocumentResult]:
        """Does the same for at most 100 documents; one result for each, in their order."""
        request = pb.IngestDocumentsRequest(collection=collection, documents=documents)
        return (self._calls.call(self._stub.IngestDocuments, request)).results

    def get(self, collection: str, document_id: str) -> pb.Document:
        """One document and the state of its indexing."""
        request = pb.GetDocumentRequest(collection=collection, document_id=document_id)
        return (self._calls.call(self._stub.GetDocument, request)).document

    def list(self, collection: str) -> Iterator[pb.Document]:
        """The documents of a collection by id."""
        return self._calls.pages(
            lambda token: self._calls.call(
                self._stub.ListDocuments, pb.ListDocumentsRequest(collection=collection, page_token=token)
            ),
            lambda page: page.documents,
            None,
        )

    def delete(self, collection: str, document_id: str) -> None:
        """Removes a document and its passages."""
        request = pb.DeleteDocumentRequest(collection=collection, document_id=document_id)
        self._calls.call(self._stub.DeleteDocument, request, repeatable=False)
