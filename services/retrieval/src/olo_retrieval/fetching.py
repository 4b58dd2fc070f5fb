"""Which addresses of the web may be fetched. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from olo_retrieval.errors import UrlForbidden

LONGEST_URL = 1_024

_PORTS = {"http": 80, "https": 443}
# A backslash, a blank or a control character means one thing to one parser and another to the next.
_ALLOWED = re.compile(r"[!-\[\]-~]+")
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))+|\[[0-9a-f:.]+\]")
_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: the parts of a URL as this module has read them, and nobody reads it again."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The URL that these parts make."""
        return f"{self.scheme}://{self.host}{self.path}"

    def joined(self, location: str) -> Target:
        """Where a redirect leads. Raises UrlForbidden."""
        if not _ALLOWED.fullmatch(location):
            raise UrlForbidden
        return target_of(urljoin(self.url, location))


def target_of(url: str) -> Target:
    """The parts of a URL.

    Raises:
        UrlForbidden: It is no plain `http` or `https` URL on its usual port, names a user, or is longer than 1024.
    """
    if len(url) > LONGEST_URL or not _ALLOWED.fullmatch(url):
        raise UrlForbidden
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlForbidden from None
    host = _host_of(parts)
    if parts.scheme not in _PORTS or "@" in parts.netloc or port not in (None, _PORTS[parts.scheme]) or not host:
        raise UrlForbidden
    query = f"?{parts.query}" if parts.query else ""
    return Target(parts.scheme, host, _PORTS[parts.scheme], f"{parts.path or '/'}{query}")


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, and leads to no other address by translation."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if ip.version == 6 and (ip.ipv4_mapped or ip.sixtofour or ip.teredo or any(ip in net for net in _TRANSLATED)):
        return False
    return ip.is_global and not ip.is_multicast


def _host_of(parts: SplitResult) -> str:
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else (parts.hostname or "")
    return host if _HOST.fullmatch(host) else ""
