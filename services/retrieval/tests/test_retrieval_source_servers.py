"""Sources that servers hold: what they list, what they load, and what they refuse."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest
from nats.aio.client import Client
from pydantic import SecretStr
from source_place import SITE, Place

from olo_common.errors import OloError
from olo_common.settings import NatsSettings
from olo_retrieval.adapters.sources import nats as nats_source
from olo_retrieval.adapters.sources.nats import covers
from olo_retrieval.sources.model import (
    NatsConfig,
    SqlConfig,
    WebConfig,
)


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
