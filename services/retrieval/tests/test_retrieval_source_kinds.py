"""Each kind of source: what it lists, what it loads, and what it refuses."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import fsspec
import pytest
from nats.aio.client import Client
from pydantic import SecretStr

from olo_common.errors import OloError
from olo_common.settings import NatsSettings
from olo_retrieval.adapters.sources import nats as nats_source
from olo_retrieval.adapters.sources.allowed import Allowed
from olo_retrieval.adapters.sources.nats import covers
from olo_retrieval.adapters.sources.opening import AllowedConnectors
from olo_retrieval.errors import FetchFailed
from olo_retrieval.sources.model import (
    Config,
    Content,
    FileConfig,
    GitConfig,
    Item,
    Listed,
    Listing,
    NatsConfig,
    Source,
    SqlConfig,
    WebConfig,
)
from olo_retrieval.sources.ports import Connector
from olo_retrieval.types import Fetched

SITE = "https://www.example.org"


@dataclass
class Pages:
    """A Fetcher of pages that are written here."""

    pages: dict[str, bytes] = field(default_factory=dict)

    async def fetch(self, url: str) -> Fetched:
        if url not in self.pages:
            raise FetchFailed(404)
        return Fetched(self.pages[url], "text/html; charset=utf-8")


@dataclass
class Place:
    """A directory with an operator's word on it."""

    path: Path
    allowed: Allowed
    web: Pages = field(default_factory=Pages)

    @property
    def files(self) -> Path:
        return self.path / "files"

    def allow(self, **more: object) -> None:
        self.allowed = replace(self.allowed, **more)  # type: ignore[arg-type]

    def connectors(self) -> AllowedConnectors:
        return AllowedConnectors(self.allowed, self.web)

    @asynccontextmanager
    async def open(self, config: Config) -> AsyncIterator[Connector]:
        source = Source("0" * 32, "default", "demo", "1" * 32, "docs", config, None, 0)
        async with self.connectors().open(source) as connector:
            yield connector

    async def listing(self, config: Config, cursor: str = "") -> Listing:
        async with self.open(config) as connector:
            return await connector.listing(cursor)

    async def listed(self, config: Config) -> dict[str, str]:
        return {item.key: item.fingerprint for item in (await self.listing(config)).items}

    async def load(self, config: Config, key: str) -> Content:
        """The content behind a key that is listed now."""
        async with self.open(config) as connector:
            [found] = [item for item in (await connector.listing("")).items if item.key == key]
            return await connector.load(item_of(found))

    async def refused(self, config: Config) -> tuple[str, str | None]:
        """Reason and field with which a source is refused before it is made."""
        with pytest.raises(OloError) as caught:
            await self.connectors().check(config)
        return caught.value.reason, caught.value.field


def item_of(listed: Listed) -> Item:
    return Item("docs.x", listed.key, listed.fingerprint, 0, listed.deleted)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "files").mkdir()
    allowed = Allowed(
        roots=[str(tmp_path / "files"), "memory://shelf/docs"],
        git_hosts=["git.example.org"],
        databases={"shop": SecretStr(f"sqlite:///{tmp_path}/shop.db")},
        subjects=["docs.>"],
        cache=tmp_path / "cache",
        max_documents=100,
        max_file_bytes=1000,
        max_text_bytes=1000,
    )
    return Place(tmp_path, allowed)


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


async def test_pages_and_sitemaps(place: Place) -> None:
    def sitemap(kind: str, entry: str, *entries: str) -> bytes:
        inside = "".join(f"<{entry}>{one}</{entry}>" for one in entries)
        return f'<{kind} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{inside}</{kind}>'.encode()

    place.web.pages = {
        f"{SITE}/index.xml": sitemap(
            "sitemapindex", "sitemap", f"<loc>{SITE}/one.xml</loc>", f"<loc>{SITE}/index.xml</loc>"
        ),
        f"{SITE}/one.xml": sitemap(
            "urlset", "url", f"<loc>{SITE}/a</loc><lastmod>2026-01-01</lastmod>", f"<loc>{SITE}/b</loc>",
            "<loc>https://other.example.org/c</loc>", "<loc>http://127.0.0.1/d</loc>", "<loc></loc>",
        ),
        f"{SITE}/a": b"<p>Alpha",
    }  # fmt: skip
    config = WebConfig([f"{SITE}/first"], f"{SITE}/index.xml", 1000)
    assert await place.listed(config) == {f"{SITE}/first": "", f"{SITE}/a": "2026-01-01", f"{SITE}/b": ""}
    content = await place.load(config, f"{SITE}/a")
    assert (content.body, content.source) == (b"<p>Alpha", f"{SITE}/a")
    assert len(await place.listed(replace(config, max_pages=2))) == 2


@pytest.mark.parametrize("body", [b"", b"<html/>", b'<!DOCTYPE x [<!ENTITY a "b">]><urlset>&a;</urlset>', b"<urlset>"])
async def test_what_is_no_sitemap(place: Place, body: bytes) -> None:
    place.web.pages = {f"{SITE}/map.xml": body}
    with pytest.raises(OloError) as caught:
        await place.listed(WebConfig([], f"{SITE}/map.xml", 10))
    assert (caught.value.reason, caught.value.field) == ("source_malformed", "source.web.sitemap")


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (WebConfig(["http://10.0.0.1:8080/"]), "source.web.pages[0]"),
        (WebConfig([f"{SITE}/", "https://user@www.example.org/"]), "source.web.pages[1]"),
        (WebConfig([f"{SITE}/", "https://other.example.org/"]), "source.web.pages[1]"),
        (WebConfig([], "file:///etc/passwd"), "source.web.sitemap"),
    ],
)
async def test_pages_that_are_not_allowed(place: Place, config: WebConfig, field: str) -> None:
    assert (await place.refused(config))[1] == field


def shop(place: Place, *statements: str) -> None:
    with sqlite3.connect(place.path / "shop.db") as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


SHOP = SqlConfig("shop", "SELECT * FROM goods WHERE kind = 'tea: green'", "id", "description", "name", "changed")
GOODS = "CREATE TABLE IF NOT EXISTS goods (id INTEGER, name TEXT, description TEXT, changed INTEGER, kind TEXT)"


async def test_rows(place: Place) -> None:
    shop(
        place, GOODS,
        "INSERT INTO goods VALUES (1, 'Sencha', 'Steamed.', 10, 'tea: green')",
        "INSERT INTO goods VALUES (2, 'Gyokuro', 'Shaded.', 11, 'tea: green')",
        "INSERT INTO goods VALUES (3, 'Mug', 'Blue.', 1, 'mugs')",
    )  # fmt: skip
    assert await place.listed(SHOP) == {"1": "10", "2": "11"}
    content = await place.load(SHOP, "1")
    assert (content.body, content.title, content.source) == ("Steamed.", "Sencha", "shop/1")
    unmarked = replace(SHOP, watermark_column="")
    before = await place.listed(unmarked)
    shop(place, "UPDATE goods SET description = 'Deeply steamed.' WHERE id = 1")
    assert await place.listed(SHOP) == {"1": "10", "2": "11"}
    after = await place.listed(unmarked)
    assert [key for key in before if before[key] != after[key]] == ["1"]
    shop(place, "UPDATE goods SET description = hex(randomblob(10000)) WHERE id = 2")
    with pytest.raises(OloError) as caught:
        await place.load(SHOP, "2")
    assert caught.value.reason == "document_too_large"


@pytest.mark.parametrize("identity", ["NULL", "1"])
async def test_ids_that_are_null_or_twice(place: Place, identity: str) -> None:
    for value in ("1", identity):
        shop(place, GOODS, f"INSERT INTO goods VALUES ({value}, 'Sencha', 'Steamed.', 10, 'tea: green')")
    with pytest.raises(OloError) as caught:
        await place.listed(SHOP)
    assert caught.value.field == "source.sql.id_column"


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ("DELETE FROM goods", False), ("SELECT 1; DELETE FROM goods", False), ("PRAGMA journal_mode=DELETE", False),
        ("SELECT * FROM goods) UNION (SELECT 1", False), ("SELECT * FROM goods -- x", False), ("VALUES (1)", False),
        ("select * from goods where name = ');--'", True), ("WITH g AS (SELECT * FROM goods) SELECT * FROM g", True),
    ],
)  # fmt: skip
async def test_queries(place: Place, query: str, allowed: bool) -> None:
    shop(place, GOODS)
    if allowed:
        assert await place.listed(replace(SHOP, query=query)) == {}
    else:
        assert await place.refused(replace(SHOP, query=query)) == ("source_forbidden", "source.sql.query")


async def test_nothing_is_written_whatever_the_query(place: Place) -> None:
    shop(place, GOODS)
    with pytest.raises(OloError) as caught:
        await place.listed(replace(SHOP, query="WITH g AS (SELECT 1) DELETE FROM goods"))
    assert (caught.value.reason, caught.value.field) == ("source_malformed", "source.sql.query")
    with pytest.raises(OloError) as caught:
        await place.listed(replace(SHOP, id_column="none"))
    assert (caught.value.reason, caught.value.field) == ("source_malformed", "source.sql.query")
    place.allow(databases={"shop": SecretStr(f"sqlite:///{place.path}/missing.db")})
    with pytest.raises(OloError) as caught:
        await place.listed(SHOP)
    assert caught.value.reason == "source_away"
    assert not (place.path / "missing.db").exists()


async def test_databases_are_called_by_their_names(place: Place) -> None:
    url = "postgresql://user:word@db/shop"
    assert await place.refused(replace(SHOP, database=url)) == ("source_forbidden", "source.sql.database")
    assert (await place.refused(replace(SHOP, title_column="a b")))[1] == "source.sql.title_column"


@pytest.mark.parametrize(
    ("pattern", "subject", "covered"),
    [
        ("docs.>", "docs.a", True), ("docs.>", "docs.a.>", True), ("docs.>", "docs", False), ("docs.>", ">", False),
        ("docs.*", "docs.*", True), ("docs.*", "docs.>", False), ("docs.a", "docs.*", False), ("*", "olo.a", False),
        (">", "docs.a", True), ("docs.a", "docs.a", True), ("docs.a.b", "docs.a", False),
    ],
)  # fmt: skip
def test_subjects(pattern: str, subject: str, covered: bool) -> None:
    assert covers(pattern, subject) is covered


async def test_messages(place: Place, nats_url: str) -> None:
    place.allow(nats=NatsSettings(url=nats_url))
    client = Client()
    await client.connect(nats_url)
    stream = client.jetstream()
    await stream.add_stream(name="docs", subjects=["docs.>"])
    config = NatsConfig("docs.*", id_field="id", content_field="text")
    try:
        await stream.publish("docs.a", b'{"id": "x", "text": "first"}')
        await stream.publish("docs.b", b'{"id": "y", "text": "other"}')
        await stream.publish("docs.a", b'{"id": "x", "text": "second"}')
        await stream.publish("docs.a", b"no object")
        first = await place.listing(config)
        assert not first.complete
        assert {item.key: item.fingerprint for item in first.items} == {"x": "3", "y": "2", "docs.a#4": "4"}
        assert (await place.load(config, "x")).body == "second"
        with pytest.raises(OloError) as caught:
            await place.load(config, "docs.a#4")
        assert caught.value.field == "source.nats.content_field"
        assert (await place.listing(config, first.cursor)).items == []
        await stream.publish("docs.b", b"")
        by_subject = NatsConfig("docs.*")
        assert [(item.key, item.deleted) for item in (await place.listing(by_subject, first.cursor)).items] == [
            ("docs.b", True)
        ]
        await stream.purge_stream("docs")
        assert (await place.listing(config)).items == []
    finally:
        await stream.delete_stream("docs")
        await client.close()
    with pytest.raises(OloError) as caught:
        await place.listing(config)
    assert caught.value.field == "source.nats.subject"


async def test_messages_that_are_made_to_harm(place: Place, nats_url: str) -> None:
    place.allow(nats=NatsSettings(url=nats_url))
    client = Client()
    await client.connect(nats_url)
    stream = client.jetstream()
    await stream.add_stream(name="harm", subjects=["docs.harm"])
    config = NatsConfig("docs.harm", id_field="id", content_field="text")
    try:
        for data in (
            b"[" * 100_000,
            b'{"id": "\\ud800", "text": "a"}',
            b'{"id": "a\\u0000"}',
            b"\xff\xfe",
            b'{"id": []}',
        ):
            await stream.publish("docs.harm", data)
        assert set(await place.listed(config)) == {f"docs.harm#{number}" for number in range(1, 6)}
        for key in ("docs.harm#1", "docs.harm#4"):
            with pytest.raises(OloError):
                await place.load(config, key)
        await stream.publish("docs.harm", b"\xff\xfe")
        with pytest.raises(OloError) as caught:
            await place.load(NatsConfig("docs.harm"), "docs.harm")
        assert caught.value.reason == "source_malformed"
    finally:
        await stream.delete_stream("harm")
        await client.close()


@pytest.mark.parametrize("subject", ["olo.stream.v1.>", ">", "docs", "docs..a", "docs.>.a", "docs. a"])
async def test_subjects_that_are_not_allowed(place: Place, subject: str) -> None:
    assert (await place.refused(NatsConfig(subject)))[1] == "source.nats.subject"


async def test_a_server_that_is_away(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_source, "_CONNECT_SECONDS", 0.1)
    place.allow(nats=NatsSettings(url="nats://127.0.0.1:1"))
    with pytest.raises(OloError) as caught:
        await place.listing(NatsConfig("docs.a"))
    assert caught.value.reason == "source_away"
