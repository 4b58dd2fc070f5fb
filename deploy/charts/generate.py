"""Writes values.schema.json of each chart, out of its values.yaml and of the settings classes; `--check` only compares.

What a value is follows from its default. A map of defaults takes those keys alone; what may be said beyond them, and
which strings there are, is told below. `settings` and `secrets` take the variables that the service reads: a wrong name
or a value out of range is refused before anything is installed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic_settings import BaseSettings

from olo_llm_worker.commands import Quantization
from olo_local.services import SERVICES

Schema = dict[str, Any]

CHARTS: Final = Path(__file__).parent
UMBRELLA: Final = "olo"
BY_THE_CHART: Final = (
    *("_HOST", "_PORT", "_DRAIN_SECONDS", "_GRACE_SECONDS", "_TARGET", "_INSTANCE_ID", "_ADVERTISED_ADDRESS"),
    *(
        "_MODEL_ID",
        "_WORKER_PRIORITY",
        "_DEFAULT_FLAG",
        "_WORKER_MODEL_DIRECTORY",
        "EMBED_WORKER_MODEL",
        "_WORKER_CACHE_DIR",
    ),
    *("_DATABASE_URL", "_VECTOR_STORE", "_SOURCE_CACHE", "_GATEWAY_FILES", "_API_KEYS_FILE", "OLO_PAYLOAD_STORE"),
    "OLO_PAYLOAD_KEYS_FILE",
    *("OLO_NATS_URL", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_TLS", "OTLP_ENDPOINT", "ALLOW_INSECURE"),
)
"""Ends of the names of variables that have a value of their own, or follow from what is installed."""
ALSO_SECRET: Final = ("OLO_NATS_URL",)
"""Variables that may hold a password, though their type does not say so."""

_QUANTITY: Final = {"type": "string", "pattern": r"^[0-9.]+([EPTGMk]i?|m)?$"}
_MAP_OF_TEXT: Final = {"type": "object", "additionalProperties": {"type": "string"}}
_OBJECTS: Final = {"type": "array", "items": {"type": "object"}}
_AMOUNTS: Final = {"type": "object", "additionalProperties": {"type": ["string", "integer", "number"]}}
_SECRET_KEY: Final = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "key"],
    "properties": {"name": {"type": "string", "minLength": 1}, "key": {"type": "string", "minLength": 1}},
}
_TOLD: Final[Mapping[str, Schema]] = {
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "image.pullSecrets": {"type": "array", "items": {"type": "string"}},
    "image.repository": {"type": "string", "minLength": 1},
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.tag": {"type": "string", "pattern": "^[A-Za-z0-9_.-]*$", "not": {"const": "latest"}},
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "accessMode": {"enum": ["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"]},
    "size": _QUANTITY,
    "tmpSize": _QUANTITY,
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"requests": _AMOUNTS, "limits": _AMOUNTS},
    },
    "global.partOf": {"type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"},
    "cpuPercent": {"type": "integer", "minimum": 1, "maximum": 100},
    "maxReplicas": {"type": "integer", "minimum": 1},
    "queueLength": {"type": "integer", "minimum": 1},
    **dict.fromkeys(("nodeSelector", "podLabels", "podAnnotations", "annotations", "labels"), _MAP_OF_TEXT),
    **dict.fromkeys(("tolerations", "extraEnv", "extraVolumes", "extraVolumeMounts"), _OBJECTS),
    **dict.fromkeys(
        ("networkPolicy.ingress", "networkPolicy.egress", "bundled.callers", "volumes", "volumeMounts"), _OBJECTS
    ),
    "affinity": {"type": "object"},
    "drainSeconds": {"type": "number", "minimum": 0},
    "graceSeconds": {"type": "number", "minimum": 0},
}
"""Schemas of values, by the end of their path, where the default does not tell enough; the longest end holds."""
_NOT_TOLD: Final = ("title", "default", "description")
_NOT_OF_ONE_MODEL: Final = ("models", "modelCache", "serviceAccount", "networkPolicy", "global")


def main() -> int:
    """Writes or compares."""
    wanted = files()
    if "--check" not in sys.argv:
        for path, text in wanted.items():
            path.write_text(text)
        return 0
    stale = [path.parent.name for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if stale:
        sys.stderr.write(f"values.schema.json of {', '.join(stale)} is stale; run python deploy/charts/generate.py\n")
    return 1 if stale else 0


def files() -> dict[Path, str]:
    """What is to be written, and where."""
    schemas = {name: service_schema(name, settings) for name, settings in SERVICES.items()}
    schemas[UMBRELLA] = umbrella_schema()
    return {
        CHARTS / name / "values.schema.json": json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }


def service_schema(name: str, settings: type[BaseSettings]) -> Schema:
    """Of the chart of one service."""
    values = _values(name)
    own = {"settings": _plain(settings, shared=False), "secrets": _secrets(settings, shared=False)}
    properties = {key: _schema(key, value) for key, value in values.items()} | own
    properties["global"] = _global(values["global"])
    if "models" in values:
        properties["models"] = {"type": "array", "items": _model(name, properties)}
    return _root({**properties, "enabled": {"type": "boolean"}, "olo-common": {"type": "object"}})


def umbrella_schema() -> Schema:
    """Of the chart of all. What stands below the name of a service is held against that service's own schema."""
    values = _values(UMBRELLA)
    parts: Schema = {name: {"type": "object"} for name in (*SERVICES, "olo-common")}
    rest = {key: _schema(key, value) for key, value in values.items() if key not in parts}
    return _root({**parts, **rest, "global": _global(values["global"])})


def variables_of(settings: type[BaseSettings]) -> Iterator[tuple[str, Schema]]:
    """Each variable that the settings read, with the schema of its values."""
    prefix = settings.model_config.get("env_prefix") or ""
    schemas = settings.model_json_schema()
    for name, info in settings.model_fields.items():
        nested = info.annotation
        if isinstance(nested, type) and issubclass(nested, BaseSettings):
            yield from variables_of(nested)
        else:
            told = schemas["properties"][name].items()
            yield f"{prefix}{name}".upper(), {key: value for key, value in told if key not in _NOT_TOLD}


def _plain(settings: type[BaseSettings], *, shared: bool) -> Schema:
    return _strict(
        {
            name: schema
            for name, schema in variables_of(settings)
            if (name in _shared()) is shared and not _is_secret(schema) and not _is_by_the_chart(name)
        }
    )


def _secrets(settings: type[BaseSettings], *, shared: bool) -> Schema:
    return _strict(
        {
            name: _SECRET_KEY
            for name, schema in variables_of(settings)
            if (name in _shared()) is shared and (_is_secret(schema) or name in ALSO_SECRET)
        }
    )


@cache
def _shared() -> set[str]:
    """The variables that all services read."""
    return set.intersection(*({name for name, _ in variables_of(settings)} for settings in SERVICES.values()))


def _is_by_the_chart(name: str) -> bool:
    return name.startswith("OLO_TLS_") or name.endswith(BY_THE_CHART)


def _is_secret(schema: Schema) -> bool:
    return '"format": "password"' in json.dumps(schema)


def _global(values: Mapping[str, Any]) -> Schema:
    some = next(iter(SERVICES.values()))
    properties = {key: _schema(f"global.{key}", value) for key, value in values.items()}
    own = {"settings": _plain(some, shared=True), "secrets": _secrets(some, shared=True)}
    peers = {key: _OBJECTS for key, value in values["networkPolicy"].items() if isinstance(value, list)}
    properties["networkPolicy"] = _strict({"enabled": {"type": "boolean"}, **peers})
    return _strict(properties | own)


def _model(name: str, chart: Mapping[str, Schema]) -> Schema:
    """Of one entry of `models`: what it is, and what it says anew of what the chart says for all."""
    anew = {key: schema for key, schema in chart.items() if key not in _NOT_OF_ONE_MODEL}
    model = _strict(
        {
            "name": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$"},
            "id": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$"},
            "directory": {"type": "string", "minLength": 1},
            "default": {"type": "boolean"},
            "priority": {"type": "integer", "minimum": 0, "maximum": 1000},
            "gpu": _strict({"count": {"type": "integer", "minimum": 1}, "resource": {"type": "string"}}),
            **anew,
        }
    )
    if name == "embed-worker":
        return model | {"required": ["name", "directory"]}
    quantizations = {"enum": [each.value for each in Quantization]}
    model["properties"]["fetch"] = {
        **_strict(
            {
                "repository": {"type": "string", "pattern": "^[^/ -][^/ ]*/[^/ ]+$"},
                "revision": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._/-]*$"},
                "convert": {"type": "boolean"},
                "quantization": quantizations,
                "tokenSecret": _SECRET_KEY,
            }
        ),
        "required": ["repository"],
        "dependencies": {"quantization": {"properties": {"convert": {"const": True}}, "required": ["convert"]}},
    }
    elsewhere = {"properties": {"settings": {"required": ["OLO_LLM_WORKER_ENGINE"]}}, "required": ["settings"]}
    model["dependencies"] = {"fetch": ["directory"]}
    return model | {"required": ["name"], "anyOf": [{"required": ["directory"]}, elsewhere]}


def _schema(path: str, default: Any) -> Schema:
    """Of a value, by its default."""
    told = _told(path)
    if told is not None:
        return told
    if isinstance(default, dict) and default:
        return _strict({key: _schema(f"{path}.{key}", value) for key, value in default.items()})
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    schema: Schema = {"type": kinds[type(default)]}
    return schema | {"minimum": 0} if schema["type"] == "integer" else schema


def _told(path: str) -> Schema | None:
    parts = path.split(".")
    ends = (".".join(parts[start:]) for start in range(len(parts)))
    return next((_TOLD[end] for end in ends if end in _TOLD), None)


def _strict(properties: Mapping[str, Schema]) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": dict(properties)}


def _root(properties: Mapping[str, Schema]) -> Schema:
    return {"$schema": "http://json-schema.org/draft-07/schema#"} | _strict(properties)


def _values(chart: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CHARTS / chart / "values.yaml").read_text())
    return loaded


if __name__ == "__main__":
    sys.exit(main())
