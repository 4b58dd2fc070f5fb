"""The one place that says which points a call may touch."""

from __future__ import annotations

from olo_retrieval.filters import All, Compare, Filter, OneOf, Order
from olo_retrieval.types import Selection


def condition_of(selection: Selection) -> All:
    """The condition of a selection. Tenant and collection are always in it, beside whatever the caller asks for."""
    parts: list[Filter] = [
        OneOf("tenant", (selection.tenant,)),
        OneOf("collection", (selection.collection_uid,)),
    ]
    if selection.document_id is not None:
        parts.append(OneOf("document_id", (selection.document_id,)))
    if selection.version is not None:
        parts.append(Compare("version", Order.EQUAL, selection.version))
    if selection.up_to_version is not None:
        parts.append(Compare("version", Order.AT_MOST, selection.up_to_version))
    if selection.pieces is not None:
        parts.append(Compare("index", Order.AT_LEAST, selection.pieces.start))
        parts.append(Compare("index", Order.BELOW, selection.pieces.stop))
    if selection.filter is not None:
        parts.append(selection.filter)
    return All(tuple(parts))


def corpus_of(selection: Selection) -> Selection:
    """The points in which the rarity of a term is counted: the tenant's collection, so that no other shows in it."""
    return Selection(selection.tenant, selection.collection_uid)
