"""Nothing but the public web is fetched, whatever the URL, its redirects and its server do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo_common.errors import OloError, Unavailable
from olo_retrieval.adapters.web_fetcher import WebFetcher
from olo_retrieval.drafts import make_url_draft
from olo_retrieval.errors import FetchFailed, FetchLimit, RobotsDisallow, UrlForbidden
from olo_retrieval.fetching import is_public, target_of
from olo_retrieval.types import Fetched, IngestStep

if TYPE_CHECKING:
    from conftest import House


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "gopher://example.org/", "http://user@example.org/", "http://u:p@example.org/",
        "http://example.org:22/", "https://example.org:80/", "http://localhost/", "http://localhost./",
        "http://2130706433/", "http://0x7f000001/", "http://example.org\\@evil.example/", "http://exa mple.org/",
        "http://example.org/\r\nHost: x", "http://[::1%25lo]/", "http://[::1", "http:///x", "//example.org/", "",
        "http://example.org:99999/", "http://ex\u0430mple.org/", "http://example.org/" + "x" * 1024,
    ],
)  # fmt: skip
def test_urls_that_are_no_plain_web_pages(url: str) -> None:
    with pytest.raises(UrlForbidden):
        target_of(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:8.8.8.8", "2002:7f00:1::",
        "64:ff9b::7f00:1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "198.18.0.1", "not an address",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_public_addresses() -> None:
    assert is_public("93.184.215.14")
    assert is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_what_is_accepted_reads_the_same_when_written_again(rest: str) -> None:
    try:
        target = target_of(f"https://{rest}")
    except OloError:
        return
    assert target_of(target.url) == target
    assert target.port == 443


PUBLIC = "93.184.215.14"


@dataclass
class Site:
    """A web server of the test, and the pages it shows."""

    port: int = 0
    pages: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def connect(self, address: tuple[str, int], seconds: float) -> socket.socket:
        """Stands in for the internet, where the one public address is this site."""
        assert address == (PUBLIC, 80)
        return socket.create_connection(("127.0.0.1", self.port), seconds)


def page(body: bytes, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def show(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return show


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            made.pages.get(self.path, page(b"", 404))(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def fetcher(site: Site, seconds: float = 10.0, **more: list[str]) -> WebFetcher:
    known = {"www.example.org": [PUBLIC], **{f"{name}.example.org": addresses for name, addresses in more.items()}}
    return WebFetcher(
        1_000_000,
        seconds=seconds,
        pause_seconds=0.0,
        resolve=lambda host, _: known.get(host, [host]),
        connect=site.connect,
    )


async def test_a_page_is_fetched_through_a_redirect(site: Site) -> None:
    site.pages = {"/a": page(b"", 302, Location="/b?c=d"), "/b?c=d": page(b"<p>x", Content_Type="text/html")}
    assert await fetcher(site).fetch("http://www.example.org/a") == Fetched(b"<p>x", "text/html")
    assert site.asked == ["/robots.txt", "/a", "/robots.txt", "/b?c=d"]


@pytest.mark.parametrize("to", ["http://inside.example.org/", "http://169.254.169.254/", "file:///etc/passwd"])
async def test_a_redirect_to_the_inside_is_refused(site: Site, to: str) -> None:
    site.pages = {"/": page(b"", 302, Location=to)}
    with pytest.raises(UrlForbidden):
        await fetcher(site, inside=[PUBLIC, "10.0.0.1"]).fetch("http://www.example.org/")


async def test_a_name_that_turns_to_the_inside_is_refused(site: Site) -> None:
    answers = iter([[PUBLIC], ["10.0.0.1"]])
    site.pages = {"/": page(b"x")}
    turning = WebFetcher(100, pause_seconds=0.0, resolve=lambda *_: next(answers), connect=site.connect)
    with pytest.raises(UrlForbidden):
        await turning.fetch("http://www.example.org/")
    assert site.asked == ["/robots.txt"]


async def test_robots_are_obeyed(site: Site) -> None:
    site.pages = {"/robots.txt": page(b"User-agent: *\nDisallow: /private"), "/open": page(b"x")}
    with pytest.raises(RobotsDisallow):
        await fetcher(site).fetch("http://www.example.org/private/x")
    assert (await fetcher(site).fetch("http://www.example.org/open")).data == b"x"


def drip(handler: BaseHTTPRequestHandler) -> None:
    """One byte of the head after the other, for ever."""
    stop = threading.Event()
    try:
        while not stop.wait(0.01):
            handler.wfile.write(b"H")
            handler.wfile.flush()
    except OSError:
        return


async def test_endless_things_end(site: Site) -> None:
    site.pages = {"/large": page(b"x" * 1_000_001), "/loop": page(b"", 302, Location="/loop"), "/slow": drip}
    for path in ("large", "loop"):
        with pytest.raises(FetchLimit):
            await fetcher(site).fetch(f"http://www.example.org/{path}")
    with pytest.raises(FetchLimit):
        await fetcher(site, seconds=0.5).fetch("http://www.example.org/slow")


async def test_refusals_are_final_and_failures_are_not(site: Site) -> None:
    site.pages = {"/busy": page(b"", 503)}
    with pytest.raises(FetchFailed):
        await fetcher(site).fetch("http://www.example.org/gone")
    with pytest.raises(Unavailable):
        await fetcher(site).fetch("http://www.example.org/busy")


async def test_a_fetched_page_is_a_document(site: Site, house: House) -> None:
    site.pages = {
        "/times": page(b"<h1>Ferries</h1><p>The ferry leaves at six.", Content_Type="text/html; charset=utf-8")
    }
    house.indexer = house.make_indexer(fetcher(site))
    draft = make_url_draft(document_id="", title="", source="", url="http://www.example.org/times", metadata={})
    record = await house.intake.ingest("default", "demo", draft)
    assert record.progress.step is IngestStep.PARSE
    await house.indexer.index(record.ref, lambda _: None)
    await house.indexer.swap(record.ref)
    assert await house.find("ferry") == ["The ferry leaves at six."]
    # What was fetched is kept: indexing once more asks nobody.
    asked = list(site.asked)
    await house.indexer.index(record.ref, lambda _: None)
    assert site.asked == asked


async def test_without_leave_nothing_is_fetched(house: House) -> None:
    draft = make_url_draft(document_id="", title="", source="", url="http://www.example.org/times", metadata={})
    record = await house.intake.ingest("default", "demo", draft)
    with pytest.raises(UrlForbidden):
        await house.indexer.index(record.ref, lambda _: None)
