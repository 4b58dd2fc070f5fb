"""The charts as a whole: they are well-formed, have one source, and make what Kubernetes takes."""

from __future__ import annotations

import ast
import json
import runpy
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from tests.deploy.rendering import (
    CASES,
    CHARTS,
    ROOT,
    SERVICES,
    Manifest,
    facts,
    helm,
    known_variables,
    needs_helm,
    of_kind,
    rendered,
    template,
)

from olo_contracts.queues import embedding_queue, llm_queue
from olo_router import telemetry

OLDEST, NEWEST = "1.27.0", kubernetes_validate.latest_version()
TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
METADATA: dict[str, Any] = {"type": "object", "required": ["name", "namespace", "labels"]}


def strict(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


def resource(spec: dict[str, Any]) -> dict[str, Any]:
    return strict("metadata", "spec", apiVersion=TEXT, kind=TEXT, metadata=METADATA, spec=spec)


RELABELING = strict("targetLabel", "replacement", targetLabel=TEXT, replacement=TEXT)
ENDPOINT = strict(
    *("port", "interval"),
    port={"const": "metrics"},
    interval={"type": "string", "pattern": "^[0-9]+(s|m)$"},
    relabelings={"type": "array", "items": RELABELING},
)
ALERT = strict(
    *("alert", "expr", "for"),
    **dict.fromkeys(("alert", "expr", "for"), TEXT),
    labels={"type": "object", "additionalProperties": TEXT},
    annotations={"type": "object", "additionalProperties": TEXT},
)
TRIGGER = strict(
    *("type", "metadata"),
    type={"enum": ["temporal", "prometheus"]},
    metadata={"type": "object", "additionalProperties": TEXT},
    authenticationRef=strict("name", name=TEXT),
)
CUSTOM = {
    "ServiceMonitor": resource(
        strict(
            *("selector", "endpoints"),
            selector=strict("matchLabels", matchLabels={"type": "object", "minProperties": 2}),
            endpoints={"type": "array", "minItems": 1, "items": ENDPOINT},
        )
    ),
    "PrometheusRule": resource(
        strict(
            "groups",
            groups={
                "type": "array",
                "minItems": 1,
                "items": strict("name", "rules", name=TEXT, rules={"type": "array", "items": ALERT, "minItems": 10}),
            },
        )
    ),
    "ScaledObject": resource(
        strict(
            *("scaleTargetRef", "triggers"),
            scaleTargetRef=strict("name", name=TEXT),
            triggers={"type": "array", "minItems": 1, "items": TRIGGER},
            **{
                key: {"type": "integer", "minimum": 0}
                for key in ("minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod")
            },
        )
    ),
}
"""The shapes of what the operators of Prometheus and KEDA define, as far as it is used here."""


def test_the_schemas_are_what_the_values_and_the_settings_say() -> None:
    generate = runpy.run_path(str(CHARTS / "generate.py"))
    for path, text in generate["files"]().items():
        assert path.read_text() == text, f"{path.parent.name}: run make charts"


@needs_helm
@pytest.mark.parametrize("chart", ["olo", *SERVICES])
def test_charts_have_nothing_that_lint_would_mend(chart: str, tmp_path: Path) -> None:
    minimal = yaml.safe_load((CHARTS / "olo/ci/minimal-values.yaml").read_text())
    values = minimal if chart == "olo" else {**minimal.get(chart, {}), "global": minimal["global"]}
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    done = helm("lint", "--strict", chart, "--values", str(path))
    assert done.returncode == 0, done.stdout


@needs_helm
@pytest.mark.parametrize("case", CASES)
def test_kubernetes_takes_every_manifest(case: str) -> None:
    for manifest in rendered(case):
        if manifest["kind"] in CUSTOM:
            jsonschema.validate(manifest, CUSTOM[manifest["kind"]])
        else:
            _takes(json.dumps(manifest), NEWEST if case == "production" else OLDEST)
            assert manifest["metadata"]["namespace"]


@cache
def _takes(manifest: str, version: str) -> None:
    """Many are the same in several cases, and each costs the loading of all schemas."""
    kubernetes_validate.validate(json.loads(manifest), version, strict=True)


@needs_helm
@pytest.mark.parametrize("case", CASES)
def test_no_two_things_have_one_name(case: str) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in rendered(case)]
    assert len(names) == len(set(names))
    assert all(len(name) <= 63 for _, name in names)


@needs_helm
def test_a_packaged_chart_makes_the_same(tmp_path: Path) -> None:
    """The links are followed, not packed."""
    values = ("--values", "olo/ci/observability-values.yaml")
    done = helm("package", "olo", "--destination", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (package,) = tmp_path.iterdir()
    assert template(str(package), *values) == rendered("observability")


@needs_helm
def test_dashboards_and_alerts_are_those_of_the_repository() -> None:
    observability = ROOT / "deploy/observability"
    manifests = rendered("observability")
    maps = [each for each in of_kind(manifests, "ConfigMap") if "grafana_dashboard" in each["metadata"]["labels"]]
    shown = {name: json.loads(text) for each in maps for name, text in each["data"].items()}
    assert shown == {path.name: json.loads(path.read_text()) for path in (observability / "dashboards").glob("*.json")}
    (rule,) = of_kind(manifests, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((observability / "rules.yaml").read_text())
    monitors = of_kind(manifests, "ServiceMonitor")
    parts = {
        relabeling["replacement"] for each in monitors for relabeling in each["spec"]["endpoints"][0]["relabelings"]
    }
    assert parts == {*SERVICES, "olo"}


@needs_helm
@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_can_be_set_or_is_set_by_the_chart(service: str) -> None:
    schema = json.loads((CHARTS / service / "values.schema.json").read_text())["properties"]
    offered = {
        name
        for place in (schema, schema["global"]["properties"])
        for kind in ("settings", "secrets")
        for name in place[kind]["properties"]
    }
    told = {
        variable["name"]
        for case in CASES
        for each in of_kind(rendered(case), "Deployment")
        for variable in _container(each)["env"]
    }
    missing = known_variables(service) - offered - told
    assert {name for name in missing if name.removesuffix("_FILE") not in offered | told} <= {
        "OLO_GATEWAY_OLLAMA_PORT",  # Ollama's calls are served on the HTTP port as well
        f"{facts(service)['prefix']}INSTANCE_ID",  # made anew by each process
    }


def test_links_stay_within_the_repository_and_lead_somewhere() -> None:
    links = [path for path in CHARTS.rglob("*") if path.is_symlink()]
    assert len(links) >= 15
    for link in links:
        assert ROOT in link.resolve(strict=True).parents, link


def test_services_call_whom_their_code_calls() -> None:
    owners = {"inference": "llm-worker", "embedding": "embed-worker"}
    callers: dict[str, set[str]] = {service: set() for service in SERVICES}
    for service in SERVICES:
        called = {owners.get(package, package) for package in _packages_called_by(service)}
        assert set(facts(service).get("calls", {})) == called, service
        for other in called:
            callers[other].add(service)
    assert {service: set(facts(service).get("callers", [])) for service in SERVICES} == callers


def _packages_called_by(service: str) -> set[str]:
    """Whose stubs the code of a service uses: `olo.<package>.v1.x_pb2_grpc` with a name that ends in Stub."""
    found = set()
    for path in (ROOT / "services" / service / "src").rglob("*.py"):
        tree = ast.parse(path.read_text())
        aliases: dict[str, str] = {}
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("olo."):
                continue
            package = (node.module or "").split(".")[1]
            for name in node.names:
                if name.name.endswith("Stub"):
                    found.add(package)
                elif name.name.endswith("_pb2_grpc"):
                    aliases[name.asname or name.name] = package
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.endswith("Stub") and isinstance(node.value, ast.Name):
                found |= {aliases[node.value.id]} if node.value.id in aliases else set()
    return found


def test_ports_and_prefixes_are_those_of_the_settings() -> None:
    ports = {}
    for service, settings in SERVICES.items():
        told = facts(service)
        assert told["service"] == service
        assert told["prefix"] == settings.model_config.get("env_prefix")
        assert told["ports"]["grpc"] == settings.model_fields["port"].default
        ports[service] = told["ports"]["grpc"]
    for service in SERVICES:
        for other, port in facts(service).get("calls", {}).items():
            assert port == ports[other], (service, other)


@needs_helm
def test_models_are_scaled_by_their_own_queue_and_by_figures_that_exist() -> None:
    scaled = {each["metadata"]["name"]: each["spec"] for each in of_kind(rendered("keda"), "ScaledObject")}
    assert set(scaled) == {"olo-llm-worker-main", "olo-llm-worker-rare"}
    rare = scaled["olo-llm-worker-rare"]
    assert rare["scaleTargetRef"]["name"] in {
        each["metadata"]["name"] for each in of_kind(rendered("keda"), "Deployment")
    }
    assert (rare["minReplicaCount"], scaled["olo-llm-worker-main"]["minReplicaCount"]) == (0, 1)
    temporal, busy, wanted = (each["metadata"] for each in rare["triggers"])
    assert temporal["taskQueue"] == llm_queue("org/rare:7b")
    assert facts("embed-worker")["queue"] == embedding_queue("m").removesuffix(".m")
    assert telemetry.SLOTS_IN_USE.prometheus_name in busy["query"]
    assert f'{telemetry.UNSERVED.prometheus_name}{{model=~"org/rare:7b"}}' in wanted["query"]
    assert '{model=~"main|"}' in scaled["olo-llm-worker-main"]["triggers"][2]["metadata"]["query"]


@needs_helm
def test_what_is_scaled_says_nothing_of_its_number_itself() -> None:
    for case in CASES:
        scaled: set[str] = set()
        for each in (*of_kind(rendered(case), "ScaledObject"), *of_kind(rendered(case), "HorizontalPodAutoscaler")):
            name = each["spec"]["scaleTargetRef"]["name"]
            assert name not in scaled, "two would decide about it"
            scaled.add(name)
        for each in of_kind(rendered(case), "Deployment"):
            assert ("replicas" in each["spec"]) == (each["metadata"]["name"] not in scaled), each["metadata"]["name"]


@needs_helm
def test_each_model_is_a_deployment_with_what_it_says_anew() -> None:
    by_name = {each["metadata"]["name"]: each for each in of_kind(rendered("gpu"), "Deployment")}
    large, small = (_container(by_name[f"olo-llm-worker-{name}"]) for name in ("llama-3-70b", "small"))
    assert large["resources"] == {
        "requests": {"cpu": 4, "memory": "16Gi"},
        "limits": {"memory": "32Gi", "nvidia.com/gpu": 2},
    }
    assert small["resources"]["requests"]["cpu"] == 2
    assert large["image"] == "olo-llm-worker:0.1.0-cuda"
    told = {each["name"]: each.get("value") for each in large["env"]}
    assert told["OLO_LLM_WORKER_MODEL_ID"] == "meta/llama-3:70b"
    assert told["OLO_LLM_WORKER_DEVICE"] == "cuda"
    assert told["OLO_LLM_WORKER_PRIORITY"] == "200"
    assert told["OLO_LLM_WORKER_ADVERTISED_ADDRESS"] == "$(POD_IP):50055"
    assert by_name["olo-llm-worker-llama-3-70b"]["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0
    assert "amd.com/gpu" in _container(by_name["olo-embed-worker-bge-m3"])["resources"]["limits"]


def _container(deployment: Manifest) -> Manifest:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(container)
