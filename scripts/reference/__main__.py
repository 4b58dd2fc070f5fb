"""Writes docs/reference from the code: `make reference`; `--check` only compares.

.venv/bin/python scripts/reference [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path

from errors_page import errors_page
from grpc_pages import file_name, package_page
from http_page import http_page
from names_page import names_page
from protos import packages
from settings_page import settings_page

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "reference"
EVENTS = "olo.events.v1"


def main() -> int:
    """Writes or compares."""
    wanted = pages()
    old = {path for path in FOLDER.rglob("*.md") if path.name != "README.md"}
    if "--check" not in sys.argv:
        for path in old - wanted.keys():
            path.unlink()
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return 0
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    stale += old - wanted.keys()
    for path in stale:
        sys.stderr.write(f"{path.relative_to(ROOT)} is stale: run `make reference` and commit it\n")
    return 1 if stale else 0


def pages() -> dict[Path, str]:
    """What is to be written, and where."""
    found = {package.name: package for package in packages(ROOT / "proto")}
    written = {FOLDER / "grpc" / file_name(name): package_page(each) for name, each in found.items() if name != EVENTS}
    return written | {
        FOLDER / "errors.md": errors_page(),
        FOLDER / "events.md": names_page(found[EVENTS]),
        FOLDER / "http.md": http_page(),
        FOLDER / "settings.md": settings_page(),
    }


if __name__ == "__main__":
    sys.exit(main())
