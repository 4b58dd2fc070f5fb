"""Generates libs/protos/src from proto/: protobuf and grpcio stubs for what is on a wire, betterproto2 for events."""

from __future__ import annotations

import importlib.resources
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
OUT = ROOT / "libs" / "protos" / "src"
EVENTS = PROTO / "olo" / "events"


def run(arguments: list[str]) -> None:
    """Runs protoc with the generators of this environment; exits with its message where it fails."""
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    if protoc.main(["protoc", f"-I{PROTO}", f"-I{well_known}", *arguments]) != 0:
        sys.exit("protoc failed")


def plugin(name: str) -> str:
    """The protoc plugin of this environment, whatever PATH says."""
    return f"--plugin=protoc-gen-{name}={Path(sys.executable).parent / f'protoc-gen-{name}'}"


def generate(out: Path) -> None:
    """Writes the packages `olo` and `olo_events` under `out`."""
    wire = [str(p.relative_to(PROTO)) for p in sorted(PROTO.rglob("*.proto")) if EVENTS not in p.parents]
    run(
        [
            f"--python_out={out}",
            f"--pyi_out={out}",
            f"--grpc_python_out={out}",
            plugin("mypy_grpc"),
            f"--mypy_grpc_out={out}",
            *wire,
        ]
    )
    for stub in out.rglob("*_pb2_grpc.py*"):
        if (
            not (PROTO / stub.relative_to(out))
            .parent.joinpath(stub.name.split("_pb2_grpc")[0] + ".proto")
            .read_text()
            .count("\nservice ")
        ):
            stub.unlink()
    with tempfile.TemporaryDirectory() as scratch:
        events = [str(p.relative_to(PROTO)) for p in sorted(EVENTS.rglob("*.proto"))]
        run([plugin("python_betterproto2"), f"--python_betterproto2_out={scratch}", *events])
        generated = Path(scratch) / "olo" / "events" / "v1" / "__init__.py"
        target = out / "olo_events"
        target.mkdir(exist_ok=True)
        # The package is lifted to the top level, so its one relative import is shorter by the levels it no longer has.
        source = generated.read_text().replace("from ....message_pool", "from .message_pool")
        (target / "__init__.py").write_text(source)
        shutil.copy(Path(scratch) / "message_pool.py", target)


def main() -> None:
    """Replaces the generated packages."""
    # The betterproto2 plugin calls `ruff` by name.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    for package in ("olo", "olo_events"):
        shutil.rmtree(OUT / package, ignore_errors=True)
    generate(OUT)
    subprocess.run([sys.executable, "-c", "import olo.gateway.v1.gateway_service_pb2_grpc, olo_events"], check=True)


if __name__ == "__main__":
    main()
