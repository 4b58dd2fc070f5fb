"""Values that make no sense are refused before anything is installed, and it is said why."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.deploy.rendering import CHARTS, needs_helm, of_kind, pods, refusal, template

MINIMAL = "olo/ci/minimal-values.yaml"
SHARED = yaml.safe_load((CHARTS / MINIMAL).read_text())["global"]

pytestmark = needs_helm


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("gateway.replcas=2", "Additional property replcas is not allowed"),
        ("gatway.replicas=2", "Additional property gatway is not allowed"),
        ("global.nats.uri=nats://n", "Additional property uri is not allowed"),
        ("gateway.replicas=two", "replicas: Invalid type"),
        ("gateway.settings.OLO_GATEWAY_MAX_ATTEMPS=3", "Additional property OLO_GATEWAY_MAX_ATTEMPS is not allowed"),
        (
            "gateway.settings.OLO_GATEWAY_MAX_ATTEMPTS=1000",
            "OLO_GATEWAY_MAX_ATTEMPTS: Must be less than or equal to 100",
        ),
        ("gateway.settings.OLO_GATEWAY_PORT=1", "Additional property OLO_GATEWAY_PORT is not allowed"),
        ("global.settings.OLO_LOG_LEVEL=loud", "OLO_LOG_LEVEL must be one of the following"),
        ("retrieval.settings.OLO_RETRIEVAL_QDRANT_API_KEY=x", "Additional property OLO_RETRIEVAL_QDRANT_API_KEY"),
        ("retrieval.secrets.OLO_RETRIEVAL_QDRANT_API_KEY.name=x", "key is required"),
        ("registry.replicas=2", "Additional property replicas is not allowed"),
        ("gateway.image.tag=latest", "tag: Must not validate the schema"),
        ("gateway.image.digest=sha256:1", "digest: Does not match pattern"),
        ("llm-worker.models[0].name=Big_Model", "name: Does not match pattern"),
        ("llm-worker.models[0].gpus=1", "Additional property gpus is not allowed"),
        ("llm-worker.models[1].name=another", "models.1: directory is required"),
        ("llm-worker.models[0].fetch.repository=here", "repository: Does not match pattern"),
        ("embed-worker.models[0].priority=1001", "priority: Must be less than or equal to 1000"),
        ("global.allowInsecure=false", "would serve callers whom nothing authenticates"),
        ("global.temporal.address=", "global.temporal.address is missing"),
        ("global.nats.url=", "global.nats.url is missing"),
        ("global.bundled.nats=true", "global.bundled.nats brings a server along"),
        ("retrieval.replicas=2", "more than one retrieval needs Postgres"),
        ("retrieval.autoscaling.enabled=true", "more than one retrieval needs Postgres"),
        ("router.autoscaling.enabled=true,router.autoscaling.minReplicas=0", "needs autoscaling.keda"),
        ("llm-worker.autoscaling.keda=true,llm-worker.autoscaling.minReplicas=0", "nothing would wake it"),
        ("llm-worker.models[1].name=olo-demo,llm-worker.models[1].directory=/m", "two are named olo-demo"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(change: str, told: str) -> None:
    assert told in " ".join(refusal("olo", "--values", MINIMAL, "--set", change).split())


def test_more_than_one_retrieval_needs_a_server_for_vectors() -> None:
    change = "retrieval.replicas=2,retrieval.database.existingSecret=db"
    assert "needs a Qdrant server" in refusal("olo", "--values", MINIMAL, "--set", change)


def test_mutual_tls_or_keys_take_the_place_of_insecurity(tmp_path: Path) -> None:
    secure = template("olo", "--values", MINIMAL, "--set", "global.allowInsecure=false,global.tls.existingSecret=tls")
    for name, pod in pods(secure):
        if not name.startswith("Deployment"):
            continue
        told = {each["name"]: each.get("value") for each in pod["spec"]["containers"][0]["env"]}
        assert told["OLO_ALLOW_INSECURE"] == "false", name
        assert told["OLO_TLS_CLIENT_CA_FILE"] == "/etc/olo/tls/ca.crt", name
    change = "global.allowInsecure=false,global.tls.existingSecret=tls,gateway.tls.clientCertificates=false"
    assert "the gateway would serve callers" in refusal("olo", "--values", MINIMAL, "--set", change)
    keys = template("olo", "--values", MINIMAL, "--set", f"{change},gateway.apiKeys.existingSecret=keys")
    (gateway,) = (pod for name, pod in pods(keys) if name == "Deployment olo-gateway")
    told = {each["name"]: each.get("value") for each in gateway["spec"]["containers"][0]["env"]}
    assert "OLO_TLS_CLIENT_CA_FILE" not in told
    assert (told["OLO_ALLOW_INSECURE"], told["OLO_GATEWAY_API_KEYS_FILE"]) == ("false", "/etc/olo/keys/keys.yaml")


def test_each_service_lets_in_those_that_call_it_by_a_certificate_of_its_own() -> None:
    tls = "global.tls.existingSecret=tls,global.tls.callersDomain=olo.internal"
    rendered = template("olo", "--values", MINIMAL, "--set", f"global.allowInsecure=false,{tls}")
    allowed = {}
    for name, pod in pods(rendered):
        (secret,) = (volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if volume["name"] == "tls")
        if not name.startswith("Deployment"):
            assert secret == "tls-gateway", "the test asks the gateway"
            continue
        service = pod["metadata"]["labels"]["app.kubernetes.io/name"]
        assert secret == f"tls-{service.removeprefix('olo-')}"
        told = {each["name"]: each.get("value") for each in pod["spec"]["containers"][0]["env"]}
        allowed[service.removeprefix("olo-")] = told.get("OLO_TLS_ALLOWED_CALLERS", "").split(",")
    assert allowed["router"] == ["gateway.olo.internal", "retrieval.olo.internal"]
    assert allowed["registry"] == ["gateway.olo.internal", "router.olo.internal"]
    assert allowed["llm-worker"] == ["gateway.olo.internal"]
    assert allowed["gateway"] == [""]
    change = "global.tls.callersDomain=olo.internal"
    assert "set global.tls.existingSecret" in refusal("olo", "--values", MINIMAL, "--set", change)


def test_what_a_model_says_anew_holds_also_where_it_says_no(tmp_path: Path) -> None:
    """Merging maps in templates is said to pass over what is false, zero or empty."""
    path = tmp_path / "values.yaml"
    chart = {
        "settings": {"OLO_LLM_WORKER_REFLECTION": True, "OLO_LLM_WORKER_MAX_QUEUE": 9},
        "topologySpread": True,
        "priorityClassName": "high",
        "replicas": 2,
        "models": [
            {
                "name": "plain",
                "directory": "/models/plain",
                "settings": {"OLO_LLM_WORKER_REFLECTION": False, "OLO_LLM_WORKER_MAX_QUEUE": 0},
                "topologySpread": False,
                "priorityClassName": "",
                "replicas": 0,
                "priority": 0,
            }
        ],
    }
    path.write_text(yaml.safe_dump({"global": SHARED, **chart}))
    (deployment,) = of_kind(template("llm-worker", "--values", str(path)), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    told = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert deployment["spec"]["replicas"] == 0
    assert (told["OLO_LLM_WORKER_REFLECTION"], told["OLO_LLM_WORKER_MAX_QUEUE"]) == ("false", "0")
    assert told["OLO_LLM_WORKER_PRIORITY"] == "0"
    assert not {"topologySpreadConstraints", "priorityClassName"} & set(pod)


@pytest.mark.parametrize("chart", ["gateway", "registry", "router", "retrieval", "llm-worker", "embed-worker"])
def test_a_service_can_be_installed_alone(chart: str, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump({"global": SHARED}))
    manifests = template(chart, "--values", str(path))
    assert of_kind(manifests, "Service")
    assert [each["metadata"]["name"] for each in of_kind(manifests, "Deployment")] == (
        [] if chart.endswith("worker") else [f"olo-{chart}"]
    )
