"""The children of the local stack: what they are, what they need, what they are told."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from olo_common.settings import TlsSettings
from olo_common.temporal_dev_server import dev_server_command
from olo_local.errors import StackError
from olo_local.ports import HOST, Ports
from olo_local.probes import TEMPORAL_SERVICE, greeting, grpc_health
from olo_local.types import ChildSpec

DEMO_MODEL = "olo-demo"
MINI_MODEL = "olo-demo-mini"
EMBEDDING_MODEL = "all-minilm-l6-v2"

_MAX_CONTENT_BYTES = 1024 * 1024
"""What a request may hold here, where large ones are stored in files."""

_SERVERS = ("temporal", "nats")
"""What every service uses. All wait for each other by themselves, so that everything starts at once."""


@dataclass(frozen=True)
class Place:
    """Where a stack keeps its things.

    Attributes:
        data: Databases, streams and vectors.
        models: Prepared models, one folder each.
        vectors: The vector store that retrieval uses: `memory`, or `edge:` and a folder.
    """

    data: Path
    models: Path
    vectors: str


def program(name: str) -> str:
    """A program that came as a wheel into this environment.

    Raises:
        StackError: It is missing.
    """
    path = Path(sys.executable).parent / name
    if not path.is_file():
        raise StackError(f"the program {name} is missing from {path.parent}: run `make setup`")
    return str(path)


def children(ports: Ports, place: Place, tls: TlsSettings | None = None) -> list[ChildSpec]:
    """The whole stack, in the order in which it is shown.

    Args:
        ports: Where it serves.
        place: Where its things are.
        tls: Of the services, which find it in their environment; None: they speak none.

    Raises:
        StackError: A program is missing.
    """
    common = {
        "OLO_NATS_URL": f"nats://{ports.address('nats')}",
        "TEMPORAL_ADDRESS": ports.address("temporal"),
        "OLO_PAYLOAD_STORE": str(place.data / "payloads"),
    }
    databases = {name: f"sqlite:///{place.data / f'{name}.db'}" for name in ("registry", "retrieval")}
    services = [
        _service("registry", ports, common, {"OLO_REGISTRY_DATABASE_URL": databases["registry"]}),
        _service(
            "router", ports, common, {"OLO_ROUTER_REGISTRY_TARGET": ports.address("registry")}, uses=("registry",)
        ),
        _llm_worker("llm-worker", ports, common, place.models / DEMO_MODEL, DEMO_MODEL, priority=100, default=True),
        _llm_worker(
            "llm-worker-mini", ports, common, place.models / MINI_MODEL, MINI_MODEL, priority=50, default=False
        ),
        _service(
            "embed-worker",
            ports,
            common,
            {
                "OLO_EMBED_WORKER_MODEL": str(place.models / EMBEDDING_MODEL),
                "OLO_EMBED_WORKER_MODEL_ID": EMBEDDING_MODEL,
                "OLO_EMBED_WORKER_DEFAULT_FLAG": "true",
            },
        ),
        _service(
            "retrieval",
            ports,
            common,
            {
                "OLO_RETRIEVAL_VECTOR_STORE": place.vectors,
                "OLO_RETRIEVAL_DATABASE_URL": databases["retrieval"],
                "OLO_RETRIEVAL_ROUTER_TARGET": ports.address("router"),
            },
            uses=("router", "embed-worker"),
        ),
        _service(
            "gateway",
            ports,
            common,
            {
                "OLO_GATEWAY_MAX_CONTENT_BYTES": str(_MAX_CONTENT_BYTES),
                "OLO_GATEWAY_TEMPORAL_UI": f"http://{ports.address('temporal_ui')}",
                "OLO_GATEWAY_FILES": str(place.data / "files"),
                "OLO_GATEWAY_HTTP_PORT": str(ports.serving["gateway_http"]),
                "OLO_GATEWAY_REGISTRY_TARGET": ports.address("registry"),
                "OLO_GATEWAY_ROUTER_TARGET": ports.address("router"),
                "OLO_GATEWAY_RETRIEVAL_TARGET": ports.address("retrieval"),
            },
            uses=("registry", "router", "retrieval"),
        ),
    ]
    asked = [replace(spec, probe=grpc_health(spec.address, tls=tls)) for spec in services]
    return [_temporal(ports, place.data), _nats(ports, place.data), *asked]


def _temporal(ports: Ports, data: Path) -> ChildSpec:
    command = dev_server_command(
        program("temporal"),
        host=HOST,
        port=ports.serving["temporal"],
        database=data / "temporal.db",
        synchronous="full",
        ui_port=ports.serving["temporal_ui"],
    )
    address = ports.address("temporal")
    return ChildSpec("temporal", tuple(command), address, grpc_health(address, TEMPORAL_SERVICE))


def _nats(ports: Ports, data: Path) -> ChildSpec:
    port = ports.serving["nats"]
    command = (program("nats-server"), "-a", HOST, "-p", str(port), "-js", "-sd", str(data / "nats"))
    return ChildSpec("nats", command, ports.address("nats"), greeting(HOST, port, b"INFO "))


def _llm_worker(
    name: str, ports: Ports, common: Mapping[str, str], model: Path, model_id: str, *, priority: int, default: bool
) -> ChildSpec:
    variables = {
        "OLO_LLM_WORKER_MODEL_ID": model_id,
        "OLO_LLM_WORKER_MODEL_DIRECTORY": str(model),
        "OLO_LLM_WORKER_PRIORITY": str(priority),
        "OLO_LLM_WORKER_DEFAULT_FLAG": str(default).lower(),
    }
    return _service(name, ports, common, variables, module="llm-worker")


def _service(
    name: str,
    ports: Ports,
    common: Mapping[str, str],
    variables: Mapping[str, str],
    *,
    uses: tuple[str, ...] = (),
    module: str | None = None,
) -> ChildSpec:
    """A service of the project: `module` is the folder that it comes from, where that is not its name."""
    package, part = (module or name).replace("-", "_"), name.replace("-", "_")
    prefix = f"OLO_{package.upper()}"
    env = {
        **common,
        f"{prefix}_PORT": str(ports.serving[part]),
        f"{prefix}_METRICS_PORT": str(ports.metrics[part]),
        **variables,
    }
    address, command = ports.address(part), (sys.executable, "-m", f"olo_{package}")
    return ChildSpec(name, command, address, grpc_health(address), env, uses=(*_SERVERS, *uses))
