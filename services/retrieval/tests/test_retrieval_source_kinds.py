"""Each kind of source: what it lists, what it loads, and what it refuses."""

from __future__ import annotations

import subprocess
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import fsspec
import pytest
from source_place import Place

from olo_common.errors import OloError
from olo_retrieval.sources.model import (
    FileConfig,
    GitConfig,
)


async def test_files_by_glob_and_by_ending(place: Place) -> None:
    for name in ("a.md", "guides/b.md", "guides/c.bin", ".hidden/d.md", "guides/deep/e.py"):
        (place.files / name).parent.mkdir(parents=True, exist_ok=True)
        (place.files / name).write_text(name)
    root = str(place.files)
    assert set(await place.listed(FileConfig(root))) == {"a.md", "guides/b.md", "guides/deep/e.py"}
    assert set(await place.listed(FileConfig(root, "guides/*"))) == {"guides/b.md", "guides/c.bin"}
    assert set(await place.listed(FileConfig(root, "**/*.md"))) == {"a.md", "guides/b.md"}
    assert set(await place.listed(FileConfig(f"{root}/a.md"))) == {"a.md"}
    before = await place.listed(FileConfig(root))
    (place.files / "a.md").write_text("changed")
    after = await place.listed(FileConfig(root))
    assert [name for name in before if before[name] != after[name]] == ["a.md"]
    assert (await place.load(FileConfig(root), "guides/b.md")).body == b"guides/b.md"


async def test_links_lead_nowhere_outside(place: Place) -> None:
    secret = place.path / "secret.md"
    secret.write_text("secret")
    (place.files / "inside.md").write_text("inside")
    (place.files / "link.md").symlink_to(place.files / "inside.md")
    (place.files / "out.md").symlink_to(secret)
    (place.files / "folder").symlink_to(place.path)
    config = FileConfig(str(place.files))
    assert set(await place.listed(config)) == {"inside.md", "link.md", "out.md"}
    assert (await place.load(config, "link.md")).body == b"inside"
    with pytest.raises(OloError) as caught:
        await place.load(config, "out.md")
    assert (caught.value.reason, caught.value.field) == ("source_forbidden", "source.files.path")
    assert await place.refused(FileConfig(str(place.files / "folder"))) == ("source_forbidden", "source.files.path")


async def test_what_is_too_much_is_refused(place: Place) -> None:
    (place.files / "long.md").write_text("x" * 1001)
    with pytest.raises(OloError) as caught:
        await place.load(FileConfig(str(place.files)), "long.md")
    assert caught.value.reason == "document_too_large"
    place.allow(max_documents=0)
    with pytest.raises(OloError) as caught:
        await place.listed(FileConfig(str(place.files)))
    assert caught.value.reason == "source_too_large"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/etc", "source_forbidden"), ("docs", "field_invalid"), ("~/docs", "field_invalid"),
        ("s3://other/docs", "source_forbidden"), ("memory://shelf/docs/../x", "source_forbidden"),
        ("memory://shelf/docsandmore", "source_forbidden"), ("memory://key:secret@shelf/docs", "source_forbidden"),
        ("memory://shelf/docs::file:///etc", "source_forbidden"), ("file:///etc", "source_forbidden"),
    ],
)  # fmt: skip
async def test_paths_that_are_not_allowed(place: Place, path: str, reason: str) -> None:
    assert await place.refused(FileConfig(path)) == (reason, "source.files.path")


async def test_paths_climb_nowhere(place: Place) -> None:
    assert await place.refused(FileConfig(f"{place.files}/../..")) == ("source_forbidden", "source.files.path")
    assert await place.refused(FileConfig(f"{place.files}/none")) == ("source_forbidden", "source.files.path")
    assert await place.refused(FileConfig(str(place.files), "../*")) == ("field_invalid", "source.files.glob")


async def test_objects(place: Place) -> None:
    shelf = fsspec.filesystem("memory")
    shelf.pipe({"/shelf/docs/a.md": b"alpha", "/shelf/docs/deep/b.md": b"beta", "/shelf/other.md": b"no"})
    config = FileConfig("memory://shelf/docs")
    before = await place.listed(config)
    assert set(before) == {"a.md", "deep/b.md"}
    assert (await place.load(config, "deep/b.md")).source == "memory://shelf/docs/deep/b.md"
    shelf.pipe("/shelf/docs/a.md", b"alpha again")
    after = await place.listed(config)
    assert [name for name in before if before[name] != after[name]] == ["a.md"]
    shelf.pipe("/shelf/docs/a.md", b"x" * 1001)
    with pytest.raises(OloError) as caught:
        await place.load(config, "a.md")
    assert caught.value.reason == "document_too_large"
    shelf.rm("/shelf", recursive=True)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """The objects of the bucket `acme` at a server of the test."""
    kept: dict[str, bytes] = {}

    class Bucket(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            wanted = parse_qs(query)
            if "list-type" in wanted:
                prefix = wanted.get("prefix", [""])[0]
                entries = "".join(
                    f"<Contents><Key>{key}</Key><Size>{len(body)}</Size><ETag>{tag(body)}</ETag></Contents>"
                    for key, body in kept.items()
                    if key.startswith(prefix)
                )
                self.answer(200, f"<ListBucketResult>{entries}</ListBucketResult>".encode())
                return
            body = kept.get(path.removeprefix("/acme/"))
            self.answer(*((404, b"") if body is None else (200, body)))

        do_HEAD = do_GET

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.send_header("etag", tag(body))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    def tag(body: bytes) -> str:
        return f"tag-{zlib.crc32(body)}"

    server = ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{server.server_port}",
        "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "here",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_bucket(place: Place, bucket: dict[str, bytes]) -> None:
    place.allow(roots=["s3://acme/docs"])
    bucket |= {"docs/a.md": b"alpha", "docs/deep/b.md": b"beta", "docsandmore/c.md": b"no"}
    config = FileConfig("s3://acme/docs")
    before = await place.listed(config)
    assert set(before) == {"a.md", "deep/b.md"}
    assert (await place.load(config, "deep/b.md")).body == b"beta"
    bucket["docs/a.md"] = b"alpha again"
    after = await place.listed(config)
    assert [name for name in before if before[name] != after[name]] == ["a.md"]


def git(path: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", path, *arguments],
        check=True,
        capture_output=True,
    )


async def test_commits(place: Place) -> None:
    git(place.files, "init", "-q", "-b", "main")
    (place.files / "a.md").write_text("alpha")
    (place.files / "b.md").write_text("beta")
    (place.files / "link.md").symlink_to("/etc/passwd")
    git(place.files, "add", ".")
    git(place.files, "commit", "-qm", "first")
    config = GitConfig(str(place.files))
    before = await place.listed(config)
    assert set(before) == {"a.md", "b.md"}
    (place.files / "a.md").write_text("not committed")
    assert await place.listed(config) == before
    assert (await place.load(config, "a.md")).body == b"alpha"
    git(place.files, "commit", "-qam", "second")
    git(place.files, "tag", "v1", "HEAD~1")
    after = await place.listed(config)
    assert [name for name in before if before[name] != after[name]] == ["a.md"]
    assert await place.listed(GitConfig(str(place.files), ref="v1")) == before
    assert set(await place.listed(GitConfig(str(place.files), glob="b*"))) == {"b.md"}
    with pytest.raises(OloError) as caught:
        await place.listed(GitConfig(str(place.files), ref="none"))
    assert caught.value.field == "source.git.ref"


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (GitConfig("https://user:word@git.example.org/a.git"), "source.git.repository"),
        (GitConfig("https://other.example.org/a.git"), "source.git.repository"),
        (GitConfig("ssh://git.example.org/a.git"), "source.git.repository"),
        (GitConfig("ext::sh -c true"), "source.git.repository"),
        (GitConfig("--upload-pack=true"), "source.git.repository"),
        (GitConfig("https://git.example.org:8443/a.git"), "source.git.repository"),
        (GitConfig("https://git.example.org/a.git", ref="--upload-pack=x"), "source.git.ref"),
        (GitConfig("https://git.example.org/a.git", ref="a..b"), "source.git.ref"),
    ],
)
async def test_repositories_that_are_not_allowed(place: Place, config: GitConfig, field: str) -> None:
    assert (await place.refused(config))[1] == field


async def test_a_repository_that_has_a_url_is_fetched_as_its_newest_commit(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from olo_retrieval.adapters.sources import git as adapter

    origin = place.path / "origin"
    origin.mkdir()
    git(origin, "init", "-q", "-b", "main")
    for content in ("one", "two"):
        (origin / "a.md").write_text(content)
        git(origin, "add", ".")
        git(origin, "commit", "-qm", content)
    # Stands in for the host: git reads the same repository where the URL says another.
    rewritten = {
        **adapter._environment(),
        "GIT_ALLOW_PROTOCOL": "file",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{origin}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://git.example.org/a.git",
    }
    monkeypatch.setattr(adapter, "_environment", lambda: rewritten)
    config = GitConfig("https://git.example.org/a.git")
    assert (await place.load(config, "a.md")).body == b"two"
    (origin / "a.md").write_text("three")
    git(origin, "commit", "-qam", "three")
    assert (await place.load(config, "a.md")).body == b"three"
