"""The compose files, without Docker: every variable, port, path and image in them is one that exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from olo_common.settings import ServiceSettings, variables
from olo_common.temporal_dev_server import dev_server_command
from olo_local.services import SERVICES

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy" / "compose"
SETTINGS: dict[str, type[ServiceSettings]] = {
    **SERVICES,
    "llm-worker-mini": SERVICES["llm-worker"],
    "llm-worker-gpu": SERVICES["llm-worker"],
}
METRICS = {
    "gateway": 9101,
    "registry": 9102,
    "router": 9103,
    "retrieval": 9104,
    "llm-worker": 9105,
    "embed-worker": 9106,
}
ONE_SHOTS = {"temporal-schema", "temporal-namespace", "demo-models"}
WRITES_ITS_ROOT = {"temporal-ui"}


class _Overriding(yaml.SafeLoader):
    """Reads `!override` and `!reset` of compose as what they hold."""


def _held(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    assert isinstance(node, yaml.SequenceNode)
    return loader.construct_sequence(node, deep=True)


_Overriding.add_multi_constructor("!", _held)


def compose(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load((HERE / name).read_text(), _Overriding)
    return document


FILES = {
    name: compose(name) for name in ("compose.yaml", "compose.local.yaml", "compose.tls.yaml", "compose.encrypted.yaml")
}
PARTS: dict[str, dict[str, Any]] = FILES["compose.yaml"]["services"]


def environments(service: str) -> dict[str, str]:
    """What a service is told by the file and by those that lie over it."""
    told: dict[str, str] = {}
    for document in FILES.values():
        told |= document["services"].get(service, {}).get("environment", {})
    return told


def without_variables(text: str) -> str:
    """A text of a compose file with the defaults of its variables."""
    return re.sub(r"\$\{[A-Z_]+(?::-([^}]*)|:\?[^}]*)?\}", lambda found: found[1] or "", text)


@pytest.mark.parametrize("service", SETTINGS)
def test_each_variable_is_a_setting_of_its_service_and_holds_a_value_it_takes(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {name: meaning for name, _, meaning in variables(SETTINGS[service])}
    told = environments(service)
    assert told.keys() <= known.keys()
    for document in FILES.values():
        told = document["services"].get(service, {}).get("environment", {})
        for name, value in (PARTS[service]["environment"] | told).items():
            monkeypatch.setenv(name, without_variables(value))
        settings = SETTINGS[service]()
        assert settings.model_dump()["host"] == "0.0.0.0"


@pytest.mark.parametrize("service", SETTINGS)
def test_ports_are_those_of_the_design(service: str) -> None:
    part = service.removesuffix("-mini").removesuffix("-gpu")
    told = environments(service)
    default = SETTINGS[service].model_fields["port"].default
    prefix = f"OLO_{part.replace('-', '_').upper()}"
    assert told[f"{prefix}_METRICS_PORT"] == str(METRICS[part])
    assert told.get(f"{prefix}_ADVERTISED_ADDRESS", f"{service}:{default}") == f"{service}:{default}"
    for name, value in told.items():
        if name.endswith("_TARGET"):
            host, port = value.split(":")
            assert int(port) == SETTINGS[host].model_fields["port"].default, name


def test_the_health_check_reads_the_settings_of_tls() -> None:
    asked = set(re.findall(r"OLO_TLS_[A-Z_]+", (ROOT / "deploy/images/healthy.sh").read_text()))
    assert asked <= {name for name, *_ in variables(SERVICES["router"])}
    assert asked <= environments("router").keys()


def test_with_tls_no_service_is_insecure() -> None:
    told = {name: service["environment"] for name, service in FILES["compose.tls.yaml"]["services"].items()}
    assert told.keys() == SETTINGS.keys()
    for name, environment in told.items():
        assert environment["OLO_ALLOW_INSECURE"] == "false"
        assert ("OLO_TLS_CLIENT_CA_FILE" in environment) != ("OLO_GATEWAY_API_KEYS_FILE" in environment), name


@pytest.mark.parametrize("service", SETTINGS)
def test_with_tls_each_service_lets_in_those_that_call_it_and_sees_its_own_secrets_alone(service: str) -> None:
    told = FILES["compose.tls.yaml"]["services"][service]
    part = service.removesuffix("-mini").removesuffix("-gpu")
    facts = yaml.safe_load((ROOT / "deploy/charts" / part / "facts.yaml").read_text())
    allowed = told["environment"].get("OLO_TLS_ALLOWED_CALLERS", "")
    assert sorted(filter(None, allowed.split(","))) == sorted(facts.get("callers", []))
    assert told["volumes"] == ["${SECRETS:-./secrets}/" + part + ":/secrets:ro"]


def test_only_loopback_is_published() -> None:
    published = {
        port.rsplit(":", 1)[1]: without_variables(port)
        for document in FILES.values()
        for service in document["services"].values()
        for port in service.get("ports", [])
    }
    assert set(published) == {"8080", "50051", "8233", "9090", "3000"}
    assert all(port.startswith("127.0.0.1:") for port in published.values())


@pytest.mark.parametrize("name", PARTS)
def test_each_container_is_confined(name: str) -> None:
    service = PARTS[name]
    assert service["read_only"] is (name not in WRITES_ITS_ROOT)
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert not service.get("privileged")
    assert service.get("user", "65532:65532").split(":")[0] not in ("0", "root")
    if name in ONE_SHOTS:
        assert service["restart"].startswith("on-failure:")
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_images_are_pinned() -> None:
    images = {
        service["image"]
        for document in FILES.values()
        for service in document["services"].values()
        if "image" in service
    }
    for image in images:
        tag = without_variables(image).rpartition(":")[2]
        assert re.search(r"\d+\.\d+", tag), image
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    ours = {image for image in images if "olo-" in image}
    assert len(ours) == 9
    assert all(f"${{TAG:-{version[1]}}}" in image and image.startswith("${REGISTRY:-}") for image in ours)


def test_no_secret_has_a_default() -> None:
    for path in HERE.rglob("*"):
        if path.suffix in (".yaml", ".yml", ".example") and path.is_file():
            for name, given in re.findall(
                r"\b(\w*(?:PASSWORD|PWD|API_KEY|SECRET|TOKEN))[:=][ -]*([^\s,}]*)", path.read_text()
            ):
                assert given in ("", '""') or given.startswith(("${POSTGRES_PASSWORD", "${QDRANT_API_KEY", "?set")), (
                    name
                )


def test_the_example_names_every_variable_of_the_files() -> None:
    used = {name for path in HERE.glob("*.yaml") for name in re.findall(r"\$\{([A-Z_]+)", path.read_text())}
    named = set(re.findall(r"^#?([A-Z_]+)=", (HERE / "env.example").read_text(), re.MULTILINE))
    assert named == used | {"COMPOSE_PROFILES"}
    defaults = dict(re.findall(r"^#([A-Z_]+)=(.+)$", (HERE / "env.example").read_text(), re.MULTILINE))
    for name, value in defaults.items():
        if name not in ("REGISTRY", "MODELS"):
            assert f"${{{name}:-{value}}}" in "".join(path.read_text() for path in HERE.glob("*.yaml")), name


def mounts(document: dict[str, Any]) -> Iterator[str]:
    for service in document["services"].values():
        yield from (without_variables(volume).split(":")[0] for volume in service.get("volumes", []))


@pytest.mark.parametrize("file", ["compose.yaml", "compose.local.yaml"])
def test_what_is_mounted_is_there(file: str) -> None:
    declared = {name for document in FILES.values() for name in document.get("volumes", {})}
    for source in mounts(FILES[file]):
        assert (HERE / source).exists() if source.startswith(".") else source in declared, source


@pytest.mark.parametrize("file", ["compose.yaml", "compose.local.yaml"])
def test_who_is_waited_for_is_there_and_can_be_waited_for(file: str) -> None:
    for name, service in FILES[file]["services"].items():
        for needed, how in service.get("depends_on", {}).items():
            if needed in ONE_SHOTS:
                assert how["condition"] == "service_completed_successfully", (name, needed)
            else:
                assert how["condition"] == "service_healthy", (name, needed)
                assert "healthcheck" in PARTS[needed]


def test_temporal_is_told_what_the_local_stack_tells_it() -> None:
    command = dev_server_command("temporal", host="", port=0, database=None, synchronous="full")
    wanted = dict(value.split("=") for before, value in pairwise(command) if before.endswith("-value"))
    document = yaml.safe_load((HERE / "temporal" / "olo.yaml").read_text())
    told = {name: entries[0]["value"] for name, entries in document.items()}
    assert told == {name: json.loads(value) for name, value in wanted.items()}
    options = subprocess.run(
        ["sed", "-n", _sed_of_the_development_server(), HERE / "temporal" / "olo.yaml"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert dict(line.removeprefix("--dynamic-config-value ").split("=") for line in options.splitlines()) == wanted


def _sed_of_the_development_server() -> str:
    found = re.search(r"sed -n '(.+)' ", (HERE / "temporal" / "development-server.sh").read_text())
    assert found
    return found[1]


def test_prometheus_asks_every_service_and_reads_the_rules() -> None:
    document = yaml.safe_load((HERE / "prometheus" / "prometheus.yml").read_text())
    (job,) = document["scrape_configs"]
    asked = {name: entry["port"] for entry in job["dns_sd_configs"] for name in entry["names"]}
    assert asked == METRICS | dict.fromkeys(("llm-worker-mini", "llm-worker-gpu"), METRICS["llm-worker"])
    mounted = [volume for volume in PARTS["prometheus"]["volumes"] if "rules" in volume]
    assert document["rule_files"] == [mounted[0].split(":")[1]]


def test_grafana_finds_the_dashboards_and_their_source() -> None:
    provider = yaml.safe_load((HERE / "grafana/dashboards/olo.yaml").read_text())["providers"][0]
    folders = [volume.split(":")[1] for volume in PARTS["grafana"]["volumes"]]
    assert provider["options"]["path"] in folders
    source = yaml.safe_load((HERE / "grafana/datasources/prometheus.yaml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    assert source["isDefault"]


def run_script(name: str, folder: Path, **programs: str) -> list[str]:
    """Runs a script of `temporal` with stand-ins for programs, and gives how they were called."""
    calls = folder / "calls"
    for program, body in programs.items():
        stand_in = folder / program.replace("_", "-")
        stand_in.write_text(f'#!/bin/sh\necho "${{SQL_DATABASE:-}} $*" >> {calls}\n{body}\n')
        stand_in.chmod(0o755)
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "TEMPORAL_ADDRESS": "temporal:7233"}
    done = subprocess.run(
        ["sh", HERE / "temporal" / name], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [line.strip() for line in calls.read_text().splitlines()]


def test_schemas_that_are_there_already_are_brought_up_to_date_all_the_same(tmp_path: Path) -> None:
    calls = run_script("schema.sh", tmp_path, temporal_sql_tool='[ "$1" != setup-schema ]')
    where = "/etc/temporal/schema/postgresql/v12"
    assert calls == [
        "--database temporal create-database",
        "temporal setup-schema -v 0.0",
        f"temporal update-schema -d {where}/temporal/versioned",
        "--database temporal_visibility create-database",
        "temporal_visibility setup-schema -v 0.0",
        f"temporal_visibility update-schema -d {where}/visibility/versioned",
    ]


@pytest.mark.parametrize("is_there", [True, False])
def test_the_namespace_is_made_once(tmp_path: Path, is_there: bool) -> None:
    calls = run_script("namespace.sh", tmp_path, temporal="true" if is_there else '[ "$3" != describe ]')
    made = [call for call in calls if "namespace create" in call]
    assert made == ([] if is_there else [
        "operator namespace create --namespace default --retention 72h --address temporal:7233"
    ])  # fmt: skip


@pytest.mark.parametrize("script", sorted(path.name for path in (HERE / "temporal").glob("*.sh")))
def test_scripts_are_scripts(script: str) -> None:
    assert subprocess.run(["sh", "-n", HERE / "temporal" / script], check=False).returncode == 0


@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
@pytest.mark.parametrize(
    "files",
    [["compose.yaml"], ["compose.yaml", "compose.local.yaml"], ["compose.yaml", "compose.tls.yaml"]],
    ids=" ".join,
)
def test_docker_reads_the_files(files: list[str]) -> None:
    """Where the plugin is new enough; it needs no daemon."""
    version = subprocess.run(["docker", "compose", "version", "--short"], capture_output=True, text=True, check=False)
    found = re.match(r"v?(\d+)\.(\d+)", version.stdout.strip())
    if version.returncode or not found or (int(found[1]), int(found[2])) < (2, 24):
        pytest.skip("docker's compose plugin is older than 2.24, or not installed")
    named = [word for file in files for word in ("-f", str(HERE / file))]
    profiles = ["--profile", "demo", "--profile", "obs", "--profile", "gpu"]
    command = ["docker", "compose", *named, *profiles, "config", "--quiet"]
    given = {
        "PATH": "/usr/bin:/bin:/usr/local/bin",
        "POSTGRES_PASSWORD": "a",
        "QDRANT_API_KEY": "b",
        "HOME": str(Path.home()),
    }
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
