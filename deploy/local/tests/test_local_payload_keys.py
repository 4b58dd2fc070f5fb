"""The file of the keys of payloads, as `olo payload-keys` looks after it."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from olo_client.cli import program as cli
from olo_common.payload_key_lines import keys_of
from olo_local.payload_key_file import PayloadKeyFileError, created, ids_of, used


def test_keys_are_made_used_and_listed(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "keys"
    file = ["--file", str(path)]
    assert cli.run(["payload-keys", "create", "--id", "2026-11", *file]) == 0
    assert capsys.readouterr().out == "2026-11 encrypts and decrypts\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert cli.run(["payload-keys", "create", *file, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made == {"id": made["id"], "file": str(path), "encrypts": False}
    before = keys_of(path.read_text())
    assert list(before) == ["2026-11", made["id"]]
    assert cli.run(["payload-keys", "use", made["id"], *file]) == 0
    assert keys_of(path.read_text()) == before
    assert ids_of(path) == [made["id"], "2026-11"]
    capsys.readouterr()
    assert cli.run(["payload-keys", "list", *file, "--json"]) == 0
    listed = capsys.readouterr().out
    assert json.loads(listed)["keys"] == [{"id": made["id"], "encrypts": True}, {"id": "2026-11", "encrypts": False}]
    assert not any(line.split()[1] in listed for line in path.read_text().splitlines() if not line.startswith("#"))


def test_what_people_have_written_beside_keys_stays(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    created(path, "a")
    path.write_text(f"# ours\n\n{path.read_text()}# the next one\n")
    created(path, "b")
    used(path, "b")
    text = path.read_text()
    assert text.startswith("# ours\n")
    assert "# the next one\n" in text
    assert ids_of(path) == ["b", "a"]


def test_what_cannot_be_done_is_said_and_changes_nothing(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "keys"
    with pytest.raises(PayloadKeyFileError, match="cannot be read"):
        ids_of(path)
    created(path, "a")
    text = path.read_text()
    for wrong in ("a", "a b", "ä", "x" * 64):
        assert cli.run(["payload-keys", "create", "--id", wrong, "--file", str(path)]) == 2
    assert cli.run(["payload-keys", "use", "c", "--file", str(path)]) == 2
    assert "there is no key with the id c" in " ".join(capsys.readouterr().err.split())
    assert path.read_text() == text
    path.write_text(f"{text}half of\n")
    with pytest.raises(PayloadKeyFileError, match="line 3: the key must be"):
        created(path)
    path.write_bytes(b"\xff")
    with pytest.raises(PayloadKeyFileError, match="it is no text"):
        used(path, "a")
    with pytest.raises(PayloadKeyFileError, match="cannot be written"):
        created(tmp_path / "no" / "folder" / "keys")


def test_keys_that_are_made_at_once_are_all_there(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: created(path), range(16)))
    assert sorted(ids_of(path)) == sorted(key_id for key_id, _ in made)
    assert sum(encrypts for _, encrypts in made) == 1
