"""Pages of one host of the public web, named one by one or by a sitemap."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from olo_common.errors import InvalidField, OloError, Unavailable
from olo_retrieval.errors import SourceForbidden, SourceMalformed, UrlForbidden
from olo_retrieval.fetching import Target, target_of
from olo_retrieval.ports import Fetcher
from olo_retrieval.sources.model import Content, Item, Listed, Listing, WebConfig

_MOST_SITEMAPS = 50
_SITEMAP = "source.web.sitemap"


def check_web(config: WebConfig, *, allowed: bool) -> str:
    """The one host of all the pages.

    Raises:
        SourceForbidden: Fetching is not allowed here, or a URL is none that may be fetched.
        InvalidField: The pages are of several hosts.
    """
    if not allowed:
        raise SourceForbidden("source.web", "nothing is fetched from here (OLO_RETRIEVAL_FETCH_URLS)")
    named = [(f"source.web.pages[{number}]", url) for number, url in enumerate(config.pages)]
    if config.sitemap:
        named.append((_SITEMAP, config.sitemap))
    hosts: set[str] = set()
    for field, url in named:
        try:
            hosts.add(target_of(url).host)
        except UrlForbidden:
            raise SourceForbidden(field, "must not be fetched from here") from None
        if len(hosts) > 1:
            raise InvalidField(field, "is of another host; make another source for it")
    return hosts.pop() if hosts else ""


class WebPages:
    """A Connector."""

    def __init__(self, config: WebConfig, host: str, fetcher: Fetcher) -> None:
        self._config = config
        self._host = host
        self._fetcher = fetcher

    async def listing(self, cursor: str) -> Listing:
        """The pages by their URLs, as far as `max_pages` reaches; what a sitemap dates is known by its date."""
        found = {target_of(url).url: "" for url in self._config.pages}
        if self._config.sitemap:
            await self._read_sitemaps(found)
        pages = list(found.items())[: self._config.max_pages]
        return Listing([Listed(url, fingerprint) for url, fingerprint in pages])

    async def load(self, item: Item) -> Content:
        """The body of a page."""
        fetched = await self._fetcher.fetch(item.key)
        return Content(fetched.data, item.key, media_type=fetched.media_type)

    async def _read_sitemaps(self, found: dict[str, str]) -> None:
        waiting, read = [self._config.sitemap], set[str]()
        while waiting and len(read) < _MOST_SITEMAPS and len(found) < self._config.max_pages:
            url = waiting.pop(0)
            if url in read:
                continue
            read.add(url)
            root = await self._sitemap(url)
            for entry in root:
                target = self._target(_text(entry, "loc"))
                if target is None:
                    continue
                if _name(root) == "sitemapindex":
                    waiting.append(target.url)
                else:
                    found.setdefault(target.url, _text(entry, "lastmod")[:64])

    async def _sitemap(self, url: str) -> Element:
        try:
            fetched = await self._fetcher.fetch(url)
            root: Element = fromstring(fetched.data)
        except Unavailable:
            raise
        except (ParseError, DefusedXmlException, ValueError):
            raise SourceMalformed(_SITEMAP, "is no sitemap") from None
        except OloError as error:
            raise SourceMalformed(_SITEMAP, f"cannot be fetched ({error.reason})") from error
        if _name(root) not in ("urlset", "sitemapindex"):
            raise SourceMalformed(_SITEMAP, "is no sitemap")
        return root

    def _target(self, url: str) -> Target | None:
        """Where an entry leads; None for other hosts and for what may not be fetched."""
        try:
            target = target_of(url)
        except UrlForbidden:
            return None
        return target if target.host == self._host else None


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _text(entry: Element, name: str) -> str:
    return next(((child.text or "").strip() for child in entry if _name(child) == name), "")
