"""Searches of one shard of Qdrant's engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

import qdrant_edge as edge

from olo_retrieval.adapters.vectors.edge_terms import EdgeTerms
from olo_retrieval.adapters.vectors.points import DENSE, SPARSE, dense_of, piece_of
from olo_retrieval.searching.fusion import fused_ranks
from olo_retrieval.types import Hit, HybridProbe, SparseVector, Vector


class EdgeSearch:
    """Searches among the same points.

    Args:
        shard: Where.
        meant: The points.
        ef: Neighbours weighed by a search.
        terms_of: What weighs the terms of a probe by their rarity; None where they are taken as they come.
    """

    def __init__(
        self, shard: edge.EdgeShard, meant: edge.Filter, ef: int, terms_of: Callable[[SparseVector], EdgeTerms] | None
    ) -> None:
        self._shard = shard
        self._meant = meant
        self._near = edge.SearchParams(hnsw_ef=ef)
        self._terms_of = terms_of

    def one(self, probe: Vector | SparseVector, limit: int, with_vectors: bool) -> list[Hit]:
        """What is nearest to one probe."""
        vectors = [DENSE] if with_vectors else False
        [found] = self._asked([probe], limit, with_payload=True, with_vector=vectors)
        return [Hit(piece_of(point.payload or {}), point.score, dense_of(point.vector)) for point in found]

    def hybrid(self, probe: HybridProbe) -> list[Hit]:
        """What is nearest to either probe, fused by ranks. What is long is read of the hits alone that are given."""
        dense, sparse = probe.dense, probe.sparse
        # To make the id of a point takes longer than all else that is done with it here: each is asked for once.
        found = [
            [(_id(point), point.score) for point in points]
            for points in self._asked((dense, sparse) if sparse.indices else (dense,), probe.limit)
        ]
        ids = {key.int: key for points in found for key, _ in points}
        cosines = {key.int: score for key, score in found[0]}
        # Two rankings, whether or not there was a word to look for: scores are shares of the best that is possible.
        ranked = fused_ranks([[key.int for key, _ in points] for points in (*found, [])[:2]])[: probe.most]
        if unknown := [ids[number] for number, _ in ranked if number not in cosines]:
            cosines |= self._cosines(dense, unknown)
        vectors = [DENSE] if probe.with_vectors else False
        kept = {
            _id(record).int: record
            for record in self._shard.retrieve([ids[number] for number, _ in ranked], True, vectors)
        }
        # What has been deleted meanwhile is not there any more.
        return [
            Hit(piece_of(record.payload or {}), score, dense_of(record.vector), cosines[number])
            for number, score in ranked
            if (record := kept.get(number)) is not None and number in cosines
        ]

    def _asked(
        self,
        probes: Sequence[Vector | SparseVector],
        limit: int,
        *,
        with_payload: bool = False,
        with_vector: bool | list[str] = False,
    ) -> list[list[edge.ScoredPoint]]:
        """What is nearest to each of the probes, of which one at most is sparse, and what can be learnt with it."""
        requests, terms = [], None
        for probe in probes:
            weighed, params = probe, self._near
            if isinstance(probe, SparseVector) and self._terms_of is not None:
                terms = self._terms_of(probe)
                weighed, params = terms.weighed()
            requests.append(
                edge.QueryRequest(
                    limit,
                    query=_query(weighed),
                    filter=self._meant,
                    params=params,
                    with_payload=with_payload,
                    with_vector=with_vector,
                )
            )
        lessons = terms.lessons() if terms is not None else []
        found = self._shard.query_batch(edge.QueryBatchRequest([*requests, *lessons]))
        if terms is not None:
            terms.learn(found[len(requests) :])
        return found[: len(requests)]

    def _cosines(self, probe: Vector, points: Sequence[UUID]) -> dict[int, float]:
        """The cosine to the probe of each of these points that is there, by the number of its id."""
        request = edge.QueryRequest(
            len(points),
            query=_query(probe),
            filter=edge.Filter(must=[edge.HasIdCondition(set(points))]),
            params=edge.SearchParams(exact=True),
        )
        return {_id(point).int: point.score for point in self._shard.query(request)}


def _query(probe: Vector | SparseVector) -> edge.Query:
    if isinstance(probe, SparseVector):
        return edge.Query.Nearest(edge.SparseVector(list(probe.indices), list(probe.values)), using=SPARSE)
    return edge.Query.Nearest(list(probe), using=DENSE)


def _id(point: edge.ScoredPoint | edge.Record) -> UUID:
    """The id of a point, which `point_id` has made."""
    found = point.id
    assert isinstance(found, UUID)
    return found
