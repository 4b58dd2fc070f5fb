"""OpenRouter's list of models: prices, context windows, abilities.

After https://openrouter.ai/docs/api-reference/list-available-models: `data[]` with `id`, `name`, `context_length`,
`pricing{prompt, completion}` in US dollars per token as text, `supported_parameters`, `hugging_face_id`.
"""

from __future__ import annotations

from typing import Any

from olo_registry.benchmarks.facts import Record
from olo_registry.benchmarks.sources.reading import count_of, json_of, name_of, names_of, number_of, records_of
from olo_registry.errors import SourceDrifted

_MAX_CONTEXT = 100_000_000
_MAX_COST = 1.0
_ABILITIES = {
    "tools": "tools",
    "structured_outputs": "json_schema",
    "response_format": "json_object",
    "logprobs": "logprobs",
}


def read_openrouter(document: bytes) -> tuple[Record, ...]:
    """The records; a variant of a model (`:free`, `:nitro`) is left out, since its price is not the model's.

    Raises:
        SourceDrifted: The document has another shape.
    """
    said = json_of(document)
    if not isinstance(said, dict) or not isinstance(said.get("data"), list):
        raise SourceDrifted("there is no list `data`")
    return records_of(said["data"], _record)


def _record(row: dict[str, Any]) -> Record | None:
    name = name_of(row["id"])
    if ":" in name:
        return None
    pricing = row["pricing"]
    parameters = row.get("supported_parameters")
    abilities = {_ABILITIES[p] for p in parameters if p in _ABILITIES} if isinstance(parameters, list) else set()
    return Record(
        name=name,
        other_names=names_of(filter(None, (row.get("hugging_face_id"), row.get("canonical_slug")))),
        input_cost=_per_thousand(pricing["prompt"]),
        output_cost=_per_thousand(pricing["completion"]),
        context_limit=count_of(row.get("context_length"), _MAX_CONTEXT),
        capabilities=tuple(sorted(abilities)),
    )


def _per_thousand(price: Any) -> float | None:
    # -1 stands for a price that varies.
    per_token = number_of(price, 0.0, _MAX_COST)
    return None if per_token is None else round(per_token * 1000, 12)
