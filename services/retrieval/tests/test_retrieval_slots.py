"""Places of points in memory: taken again once their points are gone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import QdrantClient
from store_parts import EAST, MINE, MODEL, NORTH, piece, words

from olo_retrieval.adapters.vectors.points import IndexOptions, space_of
from olo_retrieval.adapters.vectors.qdrant import QdrantStore
from olo_retrieval.adapters.vectors.slots import Slots
from olo_retrieval.adapters.vectors.threads import StoreThreads
from olo_retrieval.types import Point, Selection


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdefgh")), max_size=60))
def test_no_two_points_have_one_number_and_no_more_are_given_than_there_were_points_at_once(
    steps: list[tuple[bool, str]],
) -> None:
    slots, held, most = Slots(), dict[str, int](), 0
    for there, point in steps:
        if there:
            number = slots.number(point)
            assert held.get(point, number) == number
            held[point] = number
        elif point in held:
            slots.free([held.pop(point)])
        most = max(most, len(held))
        assert len(set(held.values())) == len(held)
        assert all(0 <= number < most for number in held.values())


async def test_a_store_in_memory_does_not_grow_by_what_was_deleted() -> None:
    client, threads = QdrantClient(":memory:"), StoreThreads(1, lambda _: False)
    store = QdrantStore(client, threads, IndexOptions(), local=True)
    try:
        for version in range(1, 9):
            points = [Point(piece("a", version, index), EAST, words(version, index + 100)) for index in range(5)]
            await store.upsert(MODEL, MINE, points)
            await store.delete(MODEL, Selection(MINE.tenant, MINE.collection_uid, "a", up_to_version=version - 1))
            assert [point.piece for point in await store.read(MODEL, MINE)] == [point.piece for point in points]

        records, _ = client.scroll(space_of(MODEL, IndexOptions()), limit=100)
        assert max(int(record.id) for record in records) < 10

        # What took the place of another point is found by its own vectors, and not by those.
        await store.upsert(MODEL, MINE, [Point(piece("b"), NORTH, words(7))])
        assert [hit.piece.document_id for hit in await store.search(MODEL, MINE, NORTH, 1)] == ["b"]
        assert [hit.piece.document_id for hit in await store.search(MODEL, MINE, words(7), 9)] == ["b"]
        assert await store.search(MODEL, MINE, words(1), 9) == []
        assert await store.count(MODEL, MINE) == 6
    finally:
        threads.close()
        client.close()
