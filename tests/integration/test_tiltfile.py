"""The Tiltfile is run as the Starlark that it is; what it would tell Tilt is held against the repository."""

from __future__ import annotations

import fnmatch
import subprocess
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import starlark
import yaml

from olo_local.services import SERVICES

ROOT = Path(__file__).resolve().parents[2]
VALUES = yaml.safe_load((ROOT / "deploy/tilt/values.yaml").read_text())
MODELS = {name: [model["name"] for model in VALUES[name]["models"]] for name in ("llm-worker", "embed-worker")}


def deployment(service: str, suffix: str = "") -> dict[str, Any]:
    """What the charts make of a service, as far as the Tiltfile looks at it."""
    pod = {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532},
        "containers": [{"image": f"olo-{service}:0.1.0", "securityContext": {"readOnlyRootFilesystem": True}}],
    }
    return {
        "kind": "Deployment",
        "metadata": {"name": f"olo-{service}{suffix}", "labels": {"app.kubernetes.io/component": service}},
        "spec": {"template": {"spec": pod}},
    }


RENDERED = [
    {"kind": "ConfigMap", "metadata": {"name": "other"}},
    *(deployment(name) for name in ("gateway", "registry", "router", "retrieval")),
    *(deployment(name, f"-{model}") for name, models in MODELS.items() for model in models),
    *({**deployment(name), "kind": "StatefulSet"} for name in ("temporal", "nats", "qdrant")),
]
WORKLOADS = ("Deployment", "StatefulSet", "Job")
HELM, CHART = ROOT / ".tools/helm", ROOT / "deploy/charts/olo"


class Told:
    """The calls of one run, by function: (arguments, named arguments)."""

    def __init__(self) -> None:
        self.calls: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = defaultdict(list)

    def stub(self, name: str) -> Any:
        def called(*arguments: Any, **named: Any) -> Any:
            self.calls[name].append((arguments, named))
            match name:
                case "helm":
                    return yaml.safe_dump_all(RENDERED)
                case "decode_yaml_stream":
                    return list(yaml.safe_load_all(arguments[0]))
                case "encode_yaml_stream":
                    return yaml.safe_dump_all(arguments[0])
                case "sync" | "fall_back_on" | "text_input":
                    return {name: list(arguments)}
            return None

        return called


BUILTINS = [
    "version_settings",
    "helm",
    "decode_yaml_stream",
    "encode_yaml_stream",
    "k8s_yaml",
    "k8s_resource",
    "docker_build",
    "local_resource",
    "sync",
    "fall_back_on",
]
EXTENSIONS = {
    "ext://restart_process": ["docker_build_with_restart"],
    "ext://uibutton": ["cmd_button", "text_input"],
}


@pytest.fixture(scope="module")
def told() -> dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]]:
    found = Told()

    def module_of(names: list[str]) -> starlark.Module:
        module = starlark.Module()
        for name in names:
            module.add_callable(name, found.stub(name))
        return module

    ast = starlark.parse("Tiltfile", (ROOT / "Tiltfile").read_text(), starlark.Dialect.extended())
    known = starlark.Globals.extended_by([starlark.LibraryExtension.StructType])
    loader = starlark.FileLoader(lambda name: module_of(EXTENSIONS[name]).freeze())
    starlark.eval(module_of(BUILTINS), ast, known, loader)
    return found.calls


def images(told: Any) -> dict[str, dict[str, Any]]:
    """Images of services by name of the service."""
    return {
        arguments[0].removeprefix("olo-"): {**named, "context": arguments[1]}
        for arguments, named in told["docker_build_with_restart"]
    }


def step(image: dict[str, Any], name: str) -> list[list[Any]]:
    return [each[name] for each in image["live_update"] if name in each]


def applied(told: Any) -> list[dict[str, Any]]:
    """All manifests."""
    objects: list[dict[str, Any]] = []
    for (text,), _ in told["k8s_yaml"]:
        objects += yaml.safe_load_all(text if "\n" in text else (ROOT / text).read_text())
    return objects


def test_it_is_short() -> None:
    assert len((ROOT / "Tiltfile").read_text().splitlines()) <= 100


def test_every_path_is_there(told: Any) -> None:
    named = {text for (text,), _ in told["k8s_yaml"] if "\n" not in text}
    for (chart,), more in told["helm"]:
        named |= {chart, f"{chart}/Chart.yaml", *more["values"]}
    for _, image in [*told["docker_build"], *told["docker_build_with_restart"]]:
        named |= {image["dockerfile"], *image["only"]}
    for image in images(told).values():
        for fallback in step(image, "fall_back_on"):
            named |= set(fallback[0])
        named |= {source for source, _ in step(image, "sync")}
    for _, resource in told["local_resource"]:
        named |= set(resource["deps"])
    for _, button in told["cmd_button"]:
        named |= {word for word in button["argv"] if word.startswith("samples/")}
    missing = {path for path in named if not (ROOT / path).exists()}
    assert missing == set()


def test_every_service_is_built_from_its_own_sources_and_its_libraries(told: Any) -> None:
    built = images(told)
    assert built.keys() == SERVICES.keys()
    for name, image in built.items():
        project = tomllib.loads((ROOT / f"services/{name}/pyproject.toml").read_text())["project"]
        libraries = {
            dependency.split("[")[0].removeprefix("olo-")
            for dependency in project["dependencies"]
            if dependency.startswith("olo-")
        }
        followed = {source for source, _ in step(image, "sync")}
        assert followed == {f"services/{name}/src", *(f"libs/{library}/src" for library in libraries)}
        assert {f"services/{name}", "libs", "uv.lock"} <= set(image["only"])
        assert not {f"services/{other}" for other in SERVICES if other != name} & set(image["only"])
        assert image["build_args"]["SERVICE"] == name


def test_installing_one_member_sees_the_manifests_of_all(told: Any) -> None:
    members = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]["members"]
    manifests = [path for member in members for path in ROOT.glob(f"{member}/pyproject.toml")]
    assert len(manifests) > len(SERVICES)
    for name, image in images(told).items():
        for manifest in manifests:
            path = manifest.relative_to(ROOT)
            assert any(path == Path(only) or Path(only) in path.parents for only in image["only"]), f"{name}: {path}"


def test_what_an_image_copies_is_sent_to_its_build(told: Any) -> None:
    for name, image in [*images(told).items(), *(("", named) for _, named in told["docker_build"])]:
        dockerfile = (ROOT / image["dockerfile"]).read_text().replace("${SERVICE}", name)
        copied = {
            source
            for line in dockerfile.splitlines()
            if line.startswith("COPY ") and "--from=" not in line
            for source in line.split()[1:-1]
        }
        assert copied
        for source in copied - {"."}:
            assert any(Path(only) in (Path(source), *Path(source).parents) for only in image["only"]), source


def test_a_changed_manifest_builds_anew_and_a_changed_source_does_not(told: Any) -> None:
    for name, image in images(told).items():
        assert list(image["live_update"][0]) == ["fall_back_on"]
        (fallback,) = step(image, "fall_back_on")
        assert {f"services/{name}/pyproject.toml", "libs/common/pyproject.toml", "uv.lock"} <= set(fallback[0])
        python = image["build_args"]["BASE"].split(":")[1].split("-")[0]
        assert {target for _, target in step(image, "sync")} == {f"/app/lib/python{python}/site-packages"}
        volumes = ("/tmp", "/data")
        assert not image["restart_file"].startswith(volumes)


def test_resources_are_what_the_charts_make(told: Any) -> None:
    objects = applied(told)
    workloads = {each["metadata"]["name"] for each in objects if each["kind"] in WORKLOADS}
    resources = {arguments[0]: named for arguments, named in told["k8s_resource"]}
    assert set(resources) == workloads
    buttons = {named["resource"] for _, named in told["cmd_button"]}
    assert buttons <= set(resources)
    local = {named["resource_deps"][0] for named in resources.values() if "resource_deps" in named}
    assert local <= workloads
    made = {f"olo-{name}" for name in SERVICES} | {arguments[0] for arguments, _ in told["docker_build"]}
    used = {
        container["image"].split(":")[0]
        for each in objects
        if each["kind"] in WORKLOADS
        for container in each["spec"]["template"]["spec"]["containers"]
    }
    assert used - {"olo-temporal", "olo-nats", "olo-qdrant"} == made


@pytest.mark.skipif(not HELM.exists(), reason="`make .tools/helm` has not installed helm")
def test_the_charts_make_what_is_assumed_here() -> None:
    command = [HELM, "template", "olo", CHART, "--kube-version", "1.30.0", "--values", ROOT / "deploy/tilt/values.yaml"]
    made = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    def workloads(objects: Iterable[dict[str, Any]]) -> set[tuple[str, str, str]]:
        return {
            (each["kind"], each["metadata"]["name"], each["metadata"]["labels"]["app.kubernetes.io/component"])
            for each in objects
            if each and each["kind"] in WORKLOADS
        }

    assert workloads(yaml.safe_load_all(made)) == workloads(RENDERED)


def test_sources_can_be_written_into_the_containers_of_services_alone(told: Any) -> None:
    for each in applied(told):
        if each["kind"] not in ("Deployment", "StatefulSet"):
            continue
        pod = each["spec"]["template"]["spec"]
        ours = each["metadata"]["labels"]["app.kubernetes.io/component"] in SERVICES
        assert (pod["securityContext"] == {}) is ours
        assert ("readOnlyRootFilesystem" in pod["containers"][0]["securityContext"]) is not ours


def test_ports_are_those_of_the_services(told: Any) -> None:
    resources = {arguments[0]: named for arguments, named in told["k8s_resource"]}
    forwarded = {name: resources[f"olo-{name}"]["port_forwards"] for name in SERVICES if f"olo-{name}" in resources}
    for name, ports in forwarded.items():
        fields = SERVICES[name].model_fields
        expected = {fields[field].default for field in ("port", "http_port") if field in fields}
        assert set(ports) == expected, name
    assert fnmatch.filter(resources, "olo-*-worker-*")
