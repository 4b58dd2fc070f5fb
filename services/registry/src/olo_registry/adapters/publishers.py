"""The sources, as they are reached: one document, or one for each model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import quote

import httpx2

from olo_registry.adapters.documents import Documents
from olo_registry.benchmarks.facts import Record, Source, SourceState
from olo_registry.benchmarks.sources.hugging_face import read_context_limit, read_hugging_face
from olo_registry.benchmarks.sources.lmarena import read_lmarena
from olo_registry.benchmarks.sources.openrouter import read_openrouter
from olo_registry.errors import RecordNotFound, SourceDrifted
from olo_registry.ports import Publisher
from olo_registry.settings import BenchmarkSettings

_MOST_MODELS = 500


class OneDocument:
    """A source that publishes everything in one document."""

    def __init__(self, documents: Documents, url: str, read: Callable[[bytes], tuple[Record, ...]]) -> None:
        self._documents = documents
        self._url = url
        self._read = read

    async def fetch(self, last: SourceState, wanted: Sequence[str]) -> SourceState | None:
        """See `ports.Publisher`."""
        document = await self._documents.get(self._url, last.validators.get(self._url, ""))
        if document is None:
            return None
        return replace(last, records=self._read(document.content), validators={self._url: document.validator})


class OnePerModel:
    """Hugging Face: two documents for each model. Of one that is not there the last word stays."""

    def __init__(self, documents: Documents, url: str) -> None:
        self._documents = documents
        self._url = url.rstrip("/")

    async def fetch(self, last: SourceState, wanted: Sequence[str]) -> SourceState | None:
        """See `ports.Publisher`."""
        records = {record.name: record for record in last.records}
        validators = dict(last.validators)
        drifted: list[SourceDrifted] = []
        read = 0
        for name in wanted[:_MOST_MODELS]:
            try:
                record = await self._model(name, records.get(name), validators)
            except RecordNotFound:
                continue
            except SourceDrifted as error:
                drifted.append(error)
                continue
            read += 1
            if record is not None:
                records[name] = record
        if drifted and not read:
            raise drifted[0]
        found = tuple(records.values())
        if found == last.records:
            return None
        return replace(last, records=found, validators=validators)

    async def _model(self, name: str, known: Record | None, validators: dict[str, str]) -> Record | None:
        url = f"{self._url}/api/models/{quote(name)}"
        said = await self._documents.get(url, validators.get(url, "") if known is not None else "")
        if said is None:
            return known
        record = replace(read_hugging_face(said.content), name=name)
        try:
            configuration = await self._documents.get(f"{self._url}/{quote(name)}/resolve/main/config.json")
        except RecordNotFound:
            configuration = None
        if configuration is not None:
            record = replace(record, context_limit=read_context_limit(configuration.content))
        validators[url] = said.validator
        return record


@asynccontextmanager
async def open_publishers(settings: BenchmarkSettings) -> AsyncIterator[dict[Source, Publisher]]:
    """The sources that the settings name."""
    async with httpx2.AsyncClient(
        follow_redirects=True, max_redirects=3, headers={"User-Agent": "open-llm-orchestrator"}
    ) as client:
        documents = Documents(client)
        found: dict[Source, Publisher] = {}
        if settings.openrouter_url:
            found[Source.OPENROUTER] = OneDocument(documents, settings.openrouter_url, read_openrouter)
        if settings.lmarena_url:
            found[Source.LMARENA] = OneDocument(documents, settings.lmarena_url, read_lmarena)
        if settings.hugging_face_url:
            found[Source.HUGGING_FACE] = OnePerModel(documents, settings.hugging_face_url)
        yield found
