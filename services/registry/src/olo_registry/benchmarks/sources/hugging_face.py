"""Hugging Face: licence, size and context window of one model.

After https://huggingface.co/docs/hub/api: `/api/models/{id}` with `id`, `tags`, `cardData.license`,
`safetensors.total`; and `config.json` of the repository with `max_position_embeddings`.
"""

from __future__ import annotations

from typing import Any

from olo_registry.benchmarks.facts import Record
from olo_registry.benchmarks.sources.reading import count_of, json_of, name_of
from olo_registry.errors import SourceDrifted

_MAX_PARAMETERS = 10**15
_MAX_CONTEXT = 100_000_000
_WINDOWS = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len")


def read_hugging_face(document: bytes) -> Record:
    """What the hub says of a model.

    Raises:
        SourceDrifted: The document has another shape.
    """
    said = json_of(document)
    try:
        name = name_of(said.get("id") or said["modelId"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SourceDrifted("there is no `id`") from None
    weights = said.get("safetensors")
    total = weights.get("total") if isinstance(weights, dict) else None
    return Record(name=name, license=_license(said), parameters=count_of(total, _MAX_PARAMETERS))


def read_context_limit(document: bytes) -> int | None:
    """The context window that a `config.json` names, of the text part where a model has several.

    Raises:
        SourceDrifted: It is no JSON object.
    """
    said = json_of(document)
    if not isinstance(said, dict):
        raise SourceDrifted("the configuration is no object")
    text = said.get("text_config")
    parts = [said, text] if isinstance(text, dict) else [said]
    found = (count_of(part.get(name), _MAX_CONTEXT) for part in parts for name in _WINDOWS)
    return next((limit for limit in found if limit is not None), None)


def _license(said: dict[str, Any]) -> str | None:
    card = said.get("cardData")
    named = card.get("license") if isinstance(card, dict) else None
    if isinstance(named, str) and named.strip():
        return named.strip()[:256]
    tags = said.get("tags")
    marked = (
        [tag for tag in tags if isinstance(tag, str) and tag.startswith("license:")] if isinstance(tags, list) else []
    )
    return marked[0].removeprefix("license:")[:256] if marked else None
