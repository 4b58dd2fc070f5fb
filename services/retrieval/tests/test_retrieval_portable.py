"""A collection as a file: there and back on every store, and nothing left of a file that is not sound."""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from portable_house import (
    LIMITS,
    STORES,
    exported,
    exporter,
    filled,
    hits,
    importer,
    pieces,
    points,
    rewritten,
    rows,
    taken,
    text,
)
from sqlalchemy import update

from olo_common.errors import ErrorCode, OloError, RemoteError, Unavailable
from olo_retrieval.adapters.sql.tables import REMOVALS
from olo_retrieval.adapters.vectors.opening import open_vectors
from olo_retrieval.adapters.vectors.points import IndexOptions
from olo_retrieval.chunking import Chunking, Strategy
from olo_retrieval.errors import (
    CollectionExists,
    CollectionNotFound,
    ImportMalformed,
    ImportTooLarge,
    ImportTruncated,
)
from olo_retrieval.ingestion.removal import remove_points
from olo_retrieval.portable.framing import end, member
from olo_retrieval.portable.importing import Importer
from olo_retrieval.types import EmbeddingModel

if TYPE_CHECKING:
    from conftest import House


async def test_a_copy_answers_as_the_original(house: House) -> None:
    await filled(house)
    imported = await taken(house, await exported(house))
    original = await house.collections.get("default", "demo")
    assert imported.to_index == 0
    copy = imported.collection
    assert (copy.document_count, copy.chunk_count) == (original.document_count, original.chunk_count)
    assert (copy.model, copy.chunking) == (original.model, original.chunking)
    assert await hits(house, "copy") == await hits(house, "demo") != []
    assert house.starter.started == [ref for ref in house.starter.started if ref.collection == "demo"]
    before, after = [await house.documents.get(c, "d1") for c in (original, copy)]
    assert after == replace(before, ref=replace(before.ref, collection="copy"))
    assert after.ref.version == 2


async def test_a_copy_lives_on_of_its_own(house: House) -> None:
    await filled(house)
    await taken(house, await exported(house), "copy", "other")
    await house.curation.delete_collection("default", "demo")
    copy = await house.collections.get("other", "copy")
    assert await house.vectors.count(copy.model, copy.points()) == copy.chunk_count
    ref = await house.intake.ingest("other", "copy", house.draft("# New\n\nA new keeper.", "d1"))
    assert ref.ref.version == 3
    await house.curation.delete_collection("other", "copy")
    assert (await rows(house), points(house)) == ([0, 0, 0], 0)


@pytest.mark.parametrize("kind", STORES)
async def test_every_store_gives_and_takes(kind: str, house: House, tmp_path: Path) -> None:
    """What one store has written another one reads, and the other way round."""
    await filled(house, 2)
    demo = await house.collections.find("default", "demo")
    there = await exported(house)
    location = {"memory": "memory", "edge": f"edge:{tmp_path}/v", "sqlite": f"sqlite:{tmp_path}/v.db"}[kind]
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_vectors(location, None, IndexOptions()))
        await importer(house, store).take("default", "copy", "", pieces(there))
        parts = [piece async for piece in exporter(house, store).export("default", "copy", vectors=True)]
        back = await importer(house).take("default", "back", "", pieces(b"".join(parts)))
    assert back.to_index == 0
    mine = await house.vectors.read(demo.model, replace(demo.points(), version=2))
    other = await house.vectors.read(demo.model, replace(back.collection.points(), version=2))
    assert [(p.piece, p.sparse) for p in other] == [(p.piece, p.sparse) for p in mine] != []
    np.testing.assert_allclose([p.dense for p in other], [p.dense for p in mine], atol=1e-6)


async def test_long_documents_go_in_parts(house: House) -> None:
    await house.ingest(text(1, 1000), "long")
    await house.ingest(text(2), "short")
    data = await exported(house)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = archive.getnames()
    assert sum("-chunks-" in name for name in names) == sum("-vectors-" in name for name in names) > 1
    imported = await taken(house, data)
    assert imported.collection.chunk_count == (await house.collections.get("default", "demo")).chunk_count > 256


async def test_the_file_is_what_the_guide_says(house: House) -> None:
    await house.ingest("# Ferry\n\nThe ferry leaves at six.\n\nIt returns at nine.", "guide", lang="en")
    with tarfile.open(fileobj=io.BytesIO(await exported(house))) as archive:
        members = {info.name: archive.extractfile(info).read() for info in archive}  # type: ignore[union-attr]
    assert list(members) == [
        "collection.json",
        "000001-documents.jsonl",
        "000001-chunks-000001.jsonl",
        "000001-vectors-000001.f32",
        "seal.json",
    ]
    document = json.loads(members["000001-documents.jsonl"])
    chunks = [json.loads(line) for line in members["000001-chunks-000001.jsonl"].splitlines()]
    [text] = [document["content"][chunk["start"] : chunk["end"]] for chunk in chunks]
    assert text == "The ferry leaves at six.\n\nIt returns at nine."
    assert document["chunk_count"] == len(chunks)
    vectors = np.frombuffer(members["000001-vectors-000001.f32"], "<f4").reshape(len(chunks), -1)
    assert vectors.shape[1] == json.loads(members["collection.json"])["dimension"]
    assert json.loads(members["seal.json"])["documents"] == 1


async def test_without_vectors_documents_are_indexed_by_workflows(house: House) -> None:
    await filled(house, 3)
    original = await hits(house, "demo")
    smaller = await exported(house, vectors=False)
    assert len(smaller) < len(await exported(house))
    imported = await taken(house, smaller)
    assert imported.to_index == 3
    started = [ref for ref in house.starter.started if ref.collection == "copy"]
    assert [(ref.document_id, ref.version) for ref in started] == [("d0", 1), ("d1", 2), ("d2", 1)]
    for ref in started:
        await house.indexer.index(ref, lambda _: None)
        await house.indexer.swap(ref)
    assert await hits(house, "copy") == original


@pytest.mark.parametrize(("model", "sparse"), [("finer", "bm25"), ("auto", "splade"), ("", "off")])
async def test_another_model_embeds_anew(house: House, model: str, sparse: str) -> None:
    await filled(house, 2)
    imported = await importer(house, sparse=sparse).take("default", "copy", model, pieces(await exported(house)))
    assert imported.to_index == 2
    assert imported.collection.model.model_id == (model if model == "finer" else "hashing")
    assert await house.vectors.count(imported.collection.model, imported.collection.points()) == 0


async def test_a_model_that_is_unknown_here_gives_way_to_the_default_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(house, 1)
    data = await exported(house)

    async def choose(model_id: str) -> EmbeddingModel:
        if model_id:
            raise RemoteError(ErrorCode.NOT_FOUND, "model_not_found", "no such model")
        return EmbeddingModel("other", 32)

    monkeypatch.setattr(house.embedder, "choose", choose)
    assert (await taken(house, data)).collection.model == EmbeddingModel("other", 32)
    with pytest.raises(RemoteError):
        await taken(house, data, "again", model="hashing")


async def test_documents_on_their_way_come_along(house: House) -> None:
    await house.ingest(text(1), "served")
    await house.stage(text(2), "served")
    await house.stage(text(3), "staged")
    collection = await house.collections.create("default", "parents", EmbeddingModel("hashing", 64))
    imported = await taken(house, await exported(house))
    assert imported.to_index == 1
    assert (await house.documents.get(imported.collection, "served")).ref.version == 1
    house.starter.away = True
    assert (await importer(house).take("default", "later", "", pieces(await exported(house)))).to_index == 1
    assert collection.chunk_count == 0


async def test_parents_and_settings_come_along(house: House) -> None:
    chunking = Chunking(Strategy.PARENT_CHILD, 32, 8)
    await house.curation.create_collection("default", "small", "", chunking)
    await house.collections.set_retriever("default", "small", "sparse")
    ref = (await house.intake.ingest("default", "small", house.draft(text(4), "d"))).ref
    await house.indexer.index(ref, lambda _: None)
    await house.indexer.swap(ref)
    imported = await taken(house, await exported(house, "small"))
    assert (imported.collection.chunking, imported.collection.retriever) == (chunking, "sparse")
    small = await house.collections.find("default", "small")
    for one, other in zip(
        await house.vectors.read(small.model, small.points()),
        await house.vectors.read(small.model, imported.collection.points()),
        strict=True,
    ):
        assert one.piece == other.piece
        assert one.piece.parent.count(one.piece.text) >= 1


async def test_points_that_are_lost_are_made_anew(house: House) -> None:
    await filled(house, 3)
    demo = await house.collections.find("default", "demo")
    await house.vectors.delete(demo.model, replace(demo.points("d2"), pieces=range(3, 5)))
    imported = await taken(house, await exported(house))
    assert imported.to_index == 1
    assert [ref.document_id for ref in house.starter.started if ref.collection == "copy"] == ["d2"]
    copy = imported.collection
    assert await house.vectors.count(copy.model, copy.points("d2")) == 0


async def test_names_that_are_taken_are_refused(house: House) -> None:
    await filled(house, 1)
    data = await exported(house)
    before = (await rows(house), points(house))
    for name in ("demo", ""):
        with pytest.raises(CollectionExists):
            await taken(house, data, name)
    assert (await rows(house), points(house)) == before

    async def made_meanwhile() -> AsyncIterator[bytes]:
        async for piece in pieces(data):
            yield piece
        await house.curation.create_collection("default", "copy", "")

    with pytest.raises(CollectionExists):
        await importer(house).take("default", "copy", "", made_meanwhile())
    assert (await rows(house), points(house)) == before


async def test_nothing_is_left_of_a_file_that_is_cut_off(house: House) -> None:
    await filled(house, 2)
    data = await exported(house)
    before = (await rows(house), points(house))
    cuts = random.Random(1).sample(range(len(data)), 5)
    for cut in [0, 511, 512, len(data) - 1024, len(data) - 1, *cuts]:
        with pytest.raises(ImportTruncated):
            await taken(house, data[:cut])
        assert (await rows(house), points(house)) == before, cut
    with pytest.raises(CollectionNotFound):
        await house.collections.get("default", "copy")


async def test_a_byte_that_has_changed_is_noticed(house: House) -> None:
    await filled(house, 2)
    data = await exported(house)
    before = (await rows(house), points(house))
    for place in random.Random(2).sample(range(len(data)), 12):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        with pytest.raises((ImportMalformed, ImportTruncated, ImportTooLarge)):
            await taken(house, bytes(changed))
        assert (await rows(house), points(house)) == before, place


FOREIGN = {
    "nothing": b"",
    "text": b"id,title\n1,a\n" * 100,
    "zeros": bytes(4096),
    "zip": b"PK\x03\x04" + bytes(600),
    "another archive": member("readme.txt", b"hello") + end(),
    "a header that is a list": member("collection.json", b"[]") + end(),
    "a nested header": member("collection.json", b"[" * 50_000) + end(),
    "a giant": b"collection.json".ljust(100, b"\0") + b"0000644\0" * 3 + b"77777777777\0" + bytes(400),
}


@pytest.mark.parametrize("name", FOREIGN)
async def test_foreign_files_are_refused(house: House, name: str) -> None:
    with pytest.raises((ImportMalformed, ImportTruncated)) as refused:
        await taken(house, FOREIGN[name])
    assert refused.value.field == "data"
    assert await rows(house) == [0, 0, 0]


def _with(document: str, old: bytes, new: bytes) -> Callable[[str, bytes], bytes]:
    return lambda name, content: content.replace(old, new, 1) if document in name else content


FORGED: dict[str, Callable[[str, bytes], bytes | None]] = {
    "a passage beyond its document": _with("chunks", b'"start":', b'"start":99999'),
    "a passage of no document": _with("chunks", b'"document_id":"d0"', b'"document_id":"d7"'),
    "a number that is none": _with("chunks", b'"start":', b'"start":1e9'),
    "a misspelt id": _with("documents", b'"document_id":"d0"', b'"document_id":"../d0"'),
    "a document twice": _with("documents", b'"document_id":"d1"', b'"document_id":"d0"'),
    "a NUL": _with("documents", b'"title":"', b'"title":"\\u0000'),
    "half a character": _with("documents", b'"title":"', b'"title":"\\ud800'),
    "no vectors": lambda name, content: None if "vectors" in name else content,
    "a row too few": lambda name, content: content[:-256] if "vectors" in name else content,
    "a vector of no numbers": lambda name, content: b"\xff" * len(content) if "vectors" in name else content,
    "a later format": _with("collection", b'"format_version":1', b'"format_version":2'),
    "another digest": lambda name, content: content,
}


@pytest.mark.parametrize("name", FORGED)
async def test_forged_files_are_refused(house: House, name: str) -> None:
    """Archives that are sound as such."""
    await filled(house, 2)
    data = await exported(house)
    before = (await rows(house), points(house))
    forged = rewritten(data, FORGED[name])
    if name == "another digest":
        assert forged == data
        forged = rewritten(data, _with("documents", b'"title":"', b'"title":"Other '))
    with pytest.raises(ImportMalformed):
        await taken(house, forged)
    assert (await rows(house), points(house)) == before


async def test_limits(house: House) -> None:
    await filled(house, 2)
    data = await exported(house)
    before = (await rows(house), points(house))
    for limits in (replace(LIMITS, file_bytes=len(data) - 1), replace(LIMITS, document_bytes=100)):
        with pytest.raises((ImportTooLarge, ImportMalformed), match=r"above|more than"):
            await importer(house, limits=limits).take("default", "copy", "", pieces(data))
        assert (await rows(house), points(house)) == before
    huge = member("collection.json", b" " * (replace(LIMITS, document_bytes=1, raw_bytes=1).member_bytes + 1))
    with pytest.raises(ImportTooLarge):
        await importer(house, limits=replace(LIMITS, document_bytes=1, raw_bytes=1)).take("t", "c", "", pieces(huge))


async def test_what_a_killed_process_leaves_is_removed(
    house: House, monkeypatch: pytest.MonkeyPatch, new_house: Callable[[], AbstractAsyncContextManager[House]]
) -> None:
    await filled(house, 2)
    data = await exported(house)
    before = (await rows(house), points(house))

    async def nothing(*_: object) -> None:
        """The process is gone."""

    with monkeypatch.context() as killed:
        killed.setattr(Importer, "_give_up", nothing)
        with pytest.raises(ImportTruncated):
            await taken(house, data[:-1024])
    assert points(house) > before[1]
    await remove_points(house.versions, house.vectors)
    assert points(house) > before[1], "it may be going on elsewhere"
    async with house.database.write() as connection:
        await connection.execute(update(REMOVALS).values(due_ms=0))
    await remove_points(house.versions, house.vectors)
    assert (await rows(house), points(house)) == before


async def test_an_import_that_was_given_up_meanwhile_fails(house: House) -> None:
    await filled(house, 2)
    data = await exported(house)
    before = (await rows(house), points(house))

    async def slowly() -> AsyncIterator[bytes]:
        yield data[:-2048]
        async with house.database.write() as connection:
            await connection.execute(update(REMOVALS).values(due_ms=0))
        await remove_points(house.versions, house.vectors)
        yield data[-2048:]

    with pytest.raises(Unavailable):
        await importer(house).take("default", "copy", "", slowly())
    assert (await rows(house), points(house)) == before


async def test_a_store_that_is_away_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(house, 2)
    data = await exported(house)
    before = (await rows(house), points(house))

    async def away(*_: object) -> None:
        raise Unavailable("the vector store does not answer")

    with monkeypatch.context() as gone:
        gone.setattr(house.vectors, "upsert", away)
        with pytest.raises(OloError, match="does not answer"):
            await taken(house, data)
    assert (await rows(house), points(house)) == before
