"""What the operator has decided, as one document that can be kept and brought back: policies of models, and aliases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from olo.registry.v1.registry_service_pb2 import Alias, Model
from olo_client.client import Olo
from olo_client.errors import NotFoundError

VERSION = 1

_ALWAYS = ("model_name", "priority", "default_flag", "enabled", "labels", "allowed_tenants")
_NUMBERS = ("quality_score", "cost_per_1k_input_tokens", "cost_per_1k_output_tokens")
_FIELDS = {
    "model_name": str, "priority": int, "default_flag": bool, "enabled": bool, "labels": dict, "allowed_tenants": list,
    **dict.fromkeys(_NUMBERS, float), "capabilities": list,
}  # fmt: skip
_HEAD = """\
# What the operator has decided of models. `olo config import FILE` brings it back; --dry-run shows what would change.
# Numbers of models that benchmarks speak of are left out: they may not be the operator's.
"""


class DocumentError(Exception):
    """The document is not one of ours; the message names the place."""


@dataclass(frozen=True)
class Change:
    """One thing that differs from the document.

    Attributes:
        kind: `model` or `alias`.
        name: Which one.
        field: What of it; empty for an alias.
        before: What it is, for people.
        after: What the document says.
    """

    kind: str
    name: str
    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Plan:
    """What has to be done so that the decisions are those of a document.

    Attributes:
        changes: What differs.
        missing: Models of the document that the registry does not know.
        policies: What to set, by model.
        aliases: What to set, by alias.
        ended: Aliases to end.
    """

    changes: list[Change]
    missing: list[str]
    policies: dict[str, dict[str, Any]]
    aliases: dict[str, Mapping[str, Any]]
    ended: list[str]


def exported(olo: Olo) -> str:
    """The decisions as YAML."""
    models = {summary.model_id: _policy(olo, olo.models.get(summary.model_id)) for summary in olo.models.list()}
    aliases = {alias.alias: _alias(alias) for alias in olo.models.aliases()}
    document = {"version": VERSION, "models": models, "aliases": aliases}
    return _HEAD + yaml.safe_dump(document, sort_keys=True, allow_unicode=True)


def parsed(text: str) -> dict[str, Any]:
    """A document, checked.

    Raises:
        DocumentError: It is not one.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise DocumentError(f"{where}this is not YAML") from None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise DocumentError(f"version: must be {VERSION}")
    unknown = set(document) - {"version", "models", "aliases"}
    if unknown:
        raise DocumentError(f"{min(map(str, unknown))}: is not known")
    for group in ("models", "aliases"):
        entries = {} if document.get(group) is None else document[group]
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise DocumentError(f"{group}: must be a mapping of names to mappings")
        document[group] = entries
    for model_id, policy in document["models"].items():
        _check_policy(f"models.{model_id}", policy)
    for name, alias in document["aliases"].items():
        _check_alias(f"aliases.{name}", alias)
    return document


def planned(olo: Olo, document: Mapping[str, Any], *, prune: bool) -> Plan:
    """What differs from a document; with `prune`, aliases that it does not have are to end."""
    plan = Plan([], [], {}, {}, [])
    for model_id, wanted in document["models"].items():
        try:
            now = _fields(olo.models.get(model_id))
        except NotFoundError:
            plan.missing.append(model_id)
            continue
        differing = {field: value for field, value in wanted.items() if not _same(now.get(field), value)}
        plan.changes.extend(Change("model", model_id, f, _shown(now.get(f)), _shown(v)) for f, v in differing.items())
        if differing:
            plan.policies[model_id] = differing
    present = {alias.alias: _alias(alias) for alias in olo.models.aliases()}
    for name, wanted in document["aliases"].items():
        if present.get(name) != wanted:
            plan.changes.append(Change("alias", name, "", _shown(present.get(name)), _shown(wanted)))
            plan.aliases[name] = wanted
    for name in sorted(set(present) - set(document["aliases"])) if prune else ():
        plan.changes.append(Change("alias", name, "", _shown(present[name]), "-"))
        plan.ended.append(name)
    return plan


def applied(olo: Olo, plan: Plan) -> Iterator[str]:
    """Carries a plan out; gives the name of each thing that is done. What is done stays where a later step fails."""
    # A model that is to be the default takes that from the one before, which must not take it back afterwards.
    for model_id, policy in sorted(plan.policies.items(), key=lambda item: bool(item[1].get("default_flag"))):
        olo.models.update(model_id, **policy)
        yield f"model {model_id}"
    for name, alias in plan.aliases.items():
        shadow = next(iter(alias["shadow"].items())) if "shadow" in alias else None
        olo.models.set_alias(name, alias["targets"], shadow)
        yield f"alias {name}"
    for name in plan.ended:
        olo.models.delete_alias(name)
        yield f"alias {name}"


def _fields(model: Model) -> dict[str, Any]:
    return {
        **{name: getattr(model, name) for name in ("model_name", "priority", "default_flag", "enabled")},
        "labels": dict(model.labels),
        "allowed_tenants": list(model.allowed_tenants),
        "capabilities": list(model.capabilities),
        **{name: getattr(model, name) for name in _NUMBERS if model.HasField(name)},
    }


def _policy(olo: Olo, model: Model) -> dict[str, Any]:
    fields = _fields(model)
    numbers = () if olo.benchmarks.facts(model.model_id) else _NUMBERS
    policy = {name: fields[name] for name in (*_ALWAYS, *numbers) if name in fields}
    announced = [set(instance.capabilities) for instance in model.instances]
    if announced and set(model.capabilities) != set.intersection(*announced):
        policy["capabilities"] = fields["capabilities"]
    return policy


def _alias(alias: Alias) -> dict[str, Any]:
    told: dict[str, Any] = {"targets": {target.model_id: target.weight for target in alias.targets}}
    if alias.HasField("shadow"):
        told["shadow"] = {alias.shadow.model_id: alias.shadow.percent}
    return told


def _check_policy(place: str, policy: Mapping[str, Any]) -> None:
    for field, value in policy.items():
        kind = _FIELDS.get(field)
        if kind is None:
            raise DocumentError(f"{place}.{field}: is not known")
        fits = isinstance(value, kind) or (kind is float and isinstance(value, int))
        if not fits or (kind is not bool and isinstance(value, bool)):
            raise DocumentError(f"{place}.{field}: must be of the kind {kind.__name__}")
        inside = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
        if not all(isinstance(item, str) for item in inside):
            raise DocumentError(f"{place}.{field}: must hold texts alone")


def _check_alias(place: str, alias: Mapping[str, Any]) -> None:
    for field in alias:
        if field not in ("targets", "shadow"):
            raise DocumentError(f"{place}.{field}: is not known")
    for field, most in (("targets", None), ("shadow", 1)):
        shares = alias.get(field) if field == "targets" or field in alias else {"": 0}
        sound = isinstance(shares, dict) and shares and (most is None or len(shares) == most)
        if not sound or not all(isinstance(n, str) and type(w) is int for n, w in shares.items()):  # type: ignore[union-attr]
            raise DocumentError(f"{place}.{field}: must map model ids to whole numbers")


def _same(now: Any, wanted: Any) -> bool:
    return sorted(now) == sorted(wanted) if isinstance(now, list) and isinstance(wanted, list) else bool(now == wanted)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict) and "targets" in value:
        mirrored = "".join(f", mirrored to {name}={share}%" for name, share in value.get("shadow", {}).items())
        return ", ".join(f"{name}={weight}" for name, weight in value["targets"].items()) + mirrored
    if isinstance(value, dict):
        return ", ".join(f"{key}={entry}" for key, entry in sorted(value.items())) or "none"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return "yes" if value is True else "no" if value is False else str(value)
