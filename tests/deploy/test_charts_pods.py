"""What holds of every pod that the charts make, whatever the values say."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from tests.deploy.rendering import (
    CASES,
    ROOT,
    SERVICES,
    Manifest,
    known_variables,
    needs_helm,
    of_kind,
    pods,
    rendered,
)

from olo_common.settings import load_settings
from olo_llm_worker.commands import Quantization, app

pytestmark = needs_helm


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def containers(case: str) -> Iterator[tuple[str, Manifest, Manifest]]:
    for name, pod in pods(rendered(case)):
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"]):
            yield f"{name}/{container['name']}", pod["spec"], container


def service_containers(case: str) -> Iterator[tuple[str, str, Manifest, Manifest]]:
    """Service, name, pod and container, of our own alone."""
    for name, pod, container in containers(case):
        service = next((each for each in SERVICES if re.search(rf"olo-{each}(-|/)", name)), None)
        if service is not None and container["name"] in (service, "migration"):
            yield service, name, pod, container


def test_nothing_runs_as_root_or_can_become_it(case: str) -> None:
    for name, pod, container in containers(case):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] == 65532, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        }, name


def test_nothing_reaches_the_node_or_the_api_of_kubernetes(case: str) -> None:
    for name, pod, container in containers(case):
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        assert not any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")), name
        assert not any("hostPath" in volume for volume in pod["volumes"]), name
        assert not any("hostPort" in port for port in container.get("ports", ())), name


def test_images_are_of_one_version_and_resources_are_bounded(case: str) -> None:
    for name, pod, container in containers(case):
        image, _, tag = container["image"].rpartition(":")
        assert image, name
        assert tag not in ("", "latest"), name
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
        assert "memory" in container["resources"]["limits"], name
        for volume in pod["volumes"]:
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""}), name


def test_what_serves_is_asked_whether_it_lives_and_whether_it_is_ready(case: str) -> None:
    for name, _, container in containers(case):
        if not container.get("ports"):
            continue
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), name
        ports = {port["containerPort"] for port in container["ports"]}
        for kind in ("startupProbe", "livenessProbe"):
            probe = container[kind].get("grpc") or container[kind]["tcpSocket"]
            assert probe["port"] in ports, name
            if "service" in probe or "grpc" in container[kind]:
                assert probe["service"] == "live", f"{name} would be restarted because another is away"


def test_with_tls_services_ask_themselves_whether_they_serve() -> None:
    """Kubernetes speaks plain gRPC alone."""
    asked = [each["readinessProbe"] for _, _, _, each in service_containers("production") if "ports" in each]
    assert asked
    for probe in asked:
        (command,) = probe["exec"]["command"]
        assert command in (ROOT / "deploy/images/Dockerfile").read_text()


def test_mounts_have_volumes_and_temporary_files_a_place(case: str) -> None:
    for name, pod, container in containers(case):
        volumes = {volume["name"] for volume in pod["volumes"]}
        claimed = {"data"} if name.startswith("StatefulSet") else set()
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert set(mounts) <= volumes | claimed, name
        assert mounts["tmp"] == "/tmp", name


def test_a_pod_has_the_time_that_its_service_takes_to_stop(case: str) -> None:
    for service, name, pod, container in service_containers(case):
        if "terminationGracePeriodSeconds" not in pod:
            continue
        prefix = SERVICES[service].model_config.get("env_prefix")
        told = {each["name"]: each.get("value") for each in container["env"]}
        takes = float(told[f"{prefix}DRAIN_SECONDS"]) + float(told[f"{prefix}GRACE_SECONDS"])
        assert pod["terminationGracePeriodSeconds"] >= takes + 5, name


def test_every_variable_is_one_that_the_service_reads(case: str) -> None:
    for service, name, _, container in service_containers(case):
        told = [each["name"] for each in container["env"]]
        assert len(told) == len(set(told)), f"{name} is told something twice"
        assert set(told) - {"POD_IP"} <= known_variables(service), name


def test_services_start_with_what_they_are_told(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for service, _, _, container in service_containers(case):
        with monkeypatch.context() as patch:
            for each in container["env"]:
                patch.setenv(each["name"], each.get("value", _secret(each["name"])).replace("$(POD_IP)", "10.0.0.1"))
            load_settings(SERVICES[service])


def _secret(name: str) -> str:
    """What the Secret behind a variable may hold."""
    return {"URL": "postgresql://olo:secret@db/olo", "NATS_URL": "nats://olo:secret@nats:4222"}.get(
        "NATS_URL" if name == "OLO_NATS_URL" else name.rsplit("_", 1)[-1], "secret"
    )


def test_no_secret_stands_in_a_manifest(case: str) -> None:
    assert not of_kind(rendered(case), "Secret")
    for service, name, _, container in service_containers(case):
        for each in container["env"]:
            secret = each["name"].endswith(("API_KEY", "DATABASE_URL", "HEADERS", "PASSWORD", "TOKEN"))
            if secret and not str(each.get("value", "")).startswith("sqlite:"):
                assert "secretKeyRef" in each.get("valueFrom", {}), f"{service} {name}"


def test_every_pod_has_a_policy_that_names_its_peers(case: str) -> None:
    policies = of_kind(rendered(case), "NetworkPolicy")
    if case == "partial":
        assert not policies
        return
    for name, pod in pods(rendered(case)):
        labels = pod["metadata"]["labels"].items()
        mine = [each for each in policies if each["spec"]["podSelector"]["matchLabels"].items() <= labels]
        assert {"Ingress", "Egress"} == set(mine[0]["spec"]["policyTypes"]), name
        assert len(mine) == 2, f"{name}: the one that refuses all, and its own"
        for policy in mine:
            for rule in (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())):
                assert rule["ports"], f"{name}: a rule for all ports"


def test_services_reach_each_other_through_both_policies(case: str) -> None:
    """What one may send, the other lets in, and the target that is told is the port that is open."""
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(rendered(case), "NetworkPolicy")}
    for service in SERVICES:
        for rule in policies.get(f"olo-{service}", {}).get("egress", ()):
            for peer in rule["to"]:
                labels = peer.get("podSelector", {}).get("matchLabels", {})
                other = labels.get("app.kubernetes.io/name", "")
                if not other:
                    continue
                let_in = [
                    each["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
                    for inward in policies[other]["ingress"]
                    if inward["ports"][0]["port"] == rule["ports"][0]["port"]
                    for each in inward["from"]
                ]
                assert f"olo-{service}" in let_in, f"{service} to {other}"


def test_the_test_of_a_release_asks_the_gateway_as_it_wants_to_be_asked(case: str) -> None:
    ((pod, container),) = ((pod, each) for name, pod, each in containers(case) if name.startswith("Pod olo-test/"))
    python, flag, module, target, *options = container["command"]
    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(module)
    (service,) = (each for each in of_kind(rendered(case), "Service") if each["metadata"]["name"] == "olo-gateway")
    assert target in {f"olo-gateway:{port['port']}" for port in service["spec"]["ports"]}
    assert pod["serviceAccountName"] in {each["metadata"]["name"] for each in of_kind(rendered(case), "ServiceAccount")}
    assert bool(options) == (case == "production")
    for policy in of_kind(rendered(case), "NetworkPolicy"):
        if policy["metadata"]["name"] == "olo-gateway":
            assert _lets_in(policy, "olo-test")


def _lets_in(policy: Manifest, name: str) -> bool:
    peers = (peer for rule in policy["spec"]["ingress"] for peer in rule["from"])
    return any(
        peer.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/name") == name for peer in peers
    )


def test_a_migration_runs_where_there_is_a_database_to_migrate() -> None:
    for case in CASES:
        jobs = of_kind(rendered(case), "Job")
        assert {each["metadata"]["name"] for each in jobs} == (
            {"olo-registry-migration", "olo-retrieval-migration"} if case == "production" else set()
        )
        for job in jobs:
            assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
            (container,) = job["spec"]["template"]["spec"]["containers"]
            assert importlib.util.find_spec(container["command"][-1]), "there is no such command"


def test_a_model_is_fetched_by_a_command_that_there_is() -> None:
    (fetch,) = (each for name, _, each in containers("gpu") if name == "Deployment olo-llm-worker-small/fetch")
    shell, flag, script, directory, command, *arguments = fetch["command"]
    assert (shell, flag, directory, command) == ("sh", "-c", "/models/small", "convert")
    assert "-m olo_llm_worker.model_directory" in script
    parsed = typer.main.get_command(app).commands[command].make_context(command, arguments).params
    assert parsed["source"] == "owner/small-chat"
    assert parsed["output"] == Path("/models/small")
    assert (parsed["revision"], parsed["quantization"]) == ("v1", Quantization.INT8)
    (policy,) = (
        each for each in of_kind(rendered("gpu"), "NetworkPolicy") if each["metadata"]["name"] == "olo-llm-worker"
    )
    assert {"to": [], "ports": [{"port": 443}]} in policy["spec"]["egress"]


def test_a_disk_is_never_written_to_by_two() -> None:
    for case in CASES:
        for each in of_kind(rendered(case), "Deployment"):
            told = {variable["name"]: variable.get("value", "") for variable in _env(each)}
            if any(value.startswith(("sqlite:", "edge:")) for value in told.values()):
                assert each["spec"]["replicas"] == 1
                assert each["spec"]["strategy"] == {"type": "Recreate"}


def _env(deployment: Manifest) -> list[Manifest]:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return list(container["env"])
