"""`olo models verify`, `pull` and `convert` from the outside, and the hub."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from olo_llm_worker.commands import app
from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory import ModelDirectory, load
from olo_llm_worker.model_directory.hub import CHECKPOINT_FILES, MODEL_DIRECTORY_FILES, fetched, is_hub_id
from olo_llm_worker.model_directory.model_bin import read_model_bin
from olo_llm_worker.model_directory.pulling import adopt
from olo_testing.ports import free_port


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def copy(demo_directory: ModelDirectory, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_directory.path, tmp_path / "copy"))


def reseal(directory: Path, **changes: Any) -> None:
    """Writes the manifest anew, so that its hashes are those of the files as they are now."""
    file = directory / "manifest.json"
    manifest = json.loads(file.read_text()) | changes
    for name in manifest["files"]:
        content = (directory / name).read_bytes()
        manifest["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    file.write_text(json.dumps(manifest))


# verify


def test_a_sound_directory_passes_line_by_line(copy: Path) -> None:
    shown = run("verify", copy)
    assert shown.exit_code == 0, shown.output
    assert [line.split()[:2] for line in shown.output.splitlines()] == [
        ["ok", name] for name in ("files", "shapes", "tokenizer", "template", "generation")
    ]


def other_vocabulary(directory: Path) -> None:
    tokens = json.loads((directory / "vocabulary.json").read_text())
    (directory / "vocabulary.json").write_text(json.dumps([*tokens[:100], tokens[101], tokens[100], *tokens[102:]]))


def fewer_tokens(directory: Path) -> None:
    tokens = json.loads((directory / "vocabulary.json").read_text())
    (directory / "vocabulary.json").write_text(json.dumps(tokens[:-1]))


def more_tokens_than_the_model(directory: Path) -> None:
    tokenizer = json.loads((directory / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append(tokenizer["added_tokens"][0] | {"id": 9000, "content": "<|late|>"})
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer))
    (directory / "chat_template.jinja").write_text("<|late|>{{ messages[0].content }}")


def deaf_template(directory: Path) -> None:
    (directory / "chat_template.jinja").write_text("<|user|>hello<|end|><|assistant|>")


def broken_template(directory: Path) -> None:
    (directory / "chat_template.jinja").write_text("{{ messages[7].content }}")


def infinite_weights(directory: Path) -> None:
    """Overwrites the last norm, which is stored in float32, with infinity."""
    content = (directory / "model.bin").read_bytes()
    name = b"decoder/layer_norm/gamma\0"
    at = content.index(name) + len(name)
    (dimension,) = struct.unpack_from("<I", content, at + 1)
    begin = at + 1 + 4 + 1 + 4
    filled = struct.pack("<f", float("inf")) * dimension
    (directory / "model.bin").write_bytes(content[:begin] + filled + content[begin + len(filled) :])


@pytest.mark.parametrize(
    ("damage", "check", "said"),
    [
        (other_vocabulary, "tokenizer", "has another id in the model"),
        (more_tokens_than_the_model, "tokenizer", "1 tokens that the model does not, as <|late|>"),
        (fewer_tokens, "shapes", "for a vocabulary of"),
        (deaf_template, "template", "leaves out what the user says"),
        (broken_template, "template", "does not accept"),
        (infinite_weights, "generation", "not finite"),
    ],
)
def test_what_hashes_cannot_tell_is_found(copy: Path, damage: Callable[[Path], None], check: str, said: str) -> None:
    damage(copy)
    reseal(copy)
    shown = run("verify", copy, "--json")
    assert shown.exit_code == 1
    report = json.loads(shown.output)
    failed = {line["name"]: line["detail"] for line in report["checks"] if not line["ok"]}
    assert not report["ok"]
    assert said in failed[check]


def test_a_damaged_directory_is_read_no_further(copy: Path) -> None:
    with (copy / "model.bin").open("r+b") as file:
        file.truncate(1000)
    shown = run("verify", copy)
    assert shown.exit_code == 1
    assert shown.output.startswith("FAILED  files")
    assert shown.output.count("\n") == 1


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x80\x04\x95", b"\x06\0\0\0", struct.pack("<IH", 6, 16) + b"TransformerSpec\0"]
)
def test_a_model_bin_of_another_kind_never_loads(copy: Path, content: bytes) -> None:
    (copy / "model.bin").write_bytes(content)
    reseal(copy)
    with pytest.raises(ModelDirectoryError, match="is no CTranslate2 decoder"):
        load(copy)


def test_a_tokenizer_of_another_model_never_loads(copy: Path) -> None:
    reseal(copy, stop_token_ids=[7])
    with pytest.raises(ModelDirectoryError, match="is it of another model"):
        load(copy)


def test_a_link_out_of_the_directory_never_loads(copy: Path, tmp_path: Path) -> None:
    (copy / "model.bin").rename(tmp_path / "outside.bin")
    (copy / "model.bin").symlink_to(tmp_path / "outside.bin")
    with pytest.raises(ModelDirectoryError, match="a link that leaves it"):
        load(copy)


@given(data=st.data())
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_to_a_model_bin_is_refused_or_harmless(copy: Path, data: st.DataObject) -> None:
    content = bytearray((copy / "model.bin").read_bytes())
    for place in data.draw(st.lists(st.integers(0, 400), max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    (copy / "damaged.bin").write_bytes(content[:cut])
    try:
        assert read_model_bin(copy / "damaged.bin").shapes
        assert cut == len(content)
    except ModelDirectoryError:
        pass


# pull


def test_a_model_in_the_engine_s_format_becomes_a_directory(copy: Path, tmp_path: Path) -> None:
    (copy / "manifest.json").unlink()
    made = adopt(copy, tmp_path / "made", name="pulled", context_limit=512, license_name="mit", origin="a/b@1")
    manifest = load(made.path).manifest
    assert (manifest.context_limit, manifest.stop_tokens, manifest.license) == (512, ["<|end|>"], "mit")
    assert run("verify", tmp_path / "made").exit_code == 0


@pytest.mark.parametrize("name", ["model.bin", "config.json", "vocabulary.json", "tokenizer.json"])
def test_what_is_no_text_model_is_not_adopted(copy: Path, tmp_path: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelDirectoryError, match=name.replace(".", r"\.")):
        adopt(copy, tmp_path / "made", name="pulled", context_limit=512)
    assert not (tmp_path / "made").exists()


def test_the_context_limit_must_be_known(copy: Path, tmp_path: Path) -> None:
    shown = run("pull", copy, "--output", tmp_path / "made")
    assert (shown.exit_code, shown.stderr.count("\n")) == (1, 1)
    assert "--context-limit" in shown.stderr


# The hub


class Hub(BaseHTTPRequestHandler):
    """The calls that a download makes, over the files of a directory."""

    folder: Path
    COMMIT = "0123456789abcdef0123456789abcdef01234567"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[:4] == ["api", "models", "owner", "tiny"]:
            names = [{"rfilename": path.name} for path in self.folder.iterdir()]
            files = [
                {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": "1"}
                for path in self.folder.iterdir()
            ]
            listing = "tree" in parts
            self.answer(json.dumps(files if listing else {"id": "owner/tiny", "sha": self.COMMIT, "siblings": names}))
        elif parts[:3] == ["owner", "tiny", "resolve"] and (self.folder / parts[-1]).is_file():
            content = (self.folder / parts[-1]).read_bytes()
            self.answer(content, ETag=f'"{hashlib.sha256(content).hexdigest()}"')
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def answer(self, content: bytes | str, **headers: str) -> None:
        data = content.encode() if isinstance(content, str) else content
        self.send_response(200)
        for name, value in {"X-Repo-Commit": self.COMMIT, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(copy: Path) -> Iterator[str]:
    (copy / "pytorch_model.bin").write_bytes(b"pickle")
    (copy / "model.py").write_bytes(b"code")
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Here", (Hub,), {"folder": copy}))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_hub_gives_files_of_one_commit_and_never_pickles_or_code(hub: str, tmp_path: Path) -> None:
    with fetched("owner/tiny", MODEL_DIRECTORY_FILES, endpoint=hub) as (folder, origin):
        assert origin == f"owner/tiny@{Hub.COMMIT}"
        made = adopt(folder, tmp_path / "made", name="tiny", context_limit=64, origin=origin)
        assert not list(folder.glob("*.py")) + list(folder.glob("pytorch*"))
    assert not folder.exists()
    assert load(made.path).manifest.origin == origin


def test_a_hub_that_has_no_such_model_or_is_not_there_is_told_in_one_sentence(hub: str) -> None:
    with pytest.raises(ModelDirectoryError, match="no such repository"), fetched("a/b", CHECKPOINT_FILES, endpoint=hub):
        pass
    nobody = f"http://127.0.0.1:{free_port()}"
    nowhere = fetched("a/b", CHECKPOINT_FILES, endpoint=nobody)
    with pytest.raises(ModelDirectoryError, match="no hub is in reach") as refused, nowhere:
        pass
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("source", ["../../etc", "a/../b", "a", "a/b/c", "/a/b", "a\\b/c", "-a/b", "a/b\n", "a//b", ""])
def test_what_is_spelt_otherwise_is_no_repository(source: str) -> None:
    assert not is_hub_id(source)
    with pytest.raises(ModelDirectoryError, match="neither a directory nor"), fetched(source, CHECKPOINT_FILES):
        pass
