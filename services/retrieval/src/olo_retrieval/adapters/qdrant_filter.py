"""The one place where a Qdrant filter is made."""

from __future__ import annotations

from qdrant_client import models

from olo_retrieval.types import Selection


def filter_of(selection: Selection) -> models.Filter:
    """The filter of a selection. Tenant and collection are always in it."""
    must: list[models.Condition] = [
        _equals("tenant", selection.tenant),
        _equals("collection", selection.collection_uid),
    ]
    if selection.document_id is not None:
        must.append(_equals("document_id", selection.document_id))
    if selection.version is not None:
        must.append(_equals("version", selection.version))
    if selection.up_to_version is not None:
        must.append(models.FieldCondition(key="version", range=models.Range(lte=selection.up_to_version)))
    return models.Filter(must=must)


def _equals(key: str, value: str | int) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))
