"""What the operator allows sources to read."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from olo_common.errors import InvalidField
from olo_common.settings import NatsSettings
from olo_retrieval.errors import SourceForbidden

_OUTSIDE = "is not within what the operator allows (OLO_RETRIEVAL_SOURCE_ROOTS)"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The operator's word.

    Attributes:
        roots: Local folders, and prefixes of URLs of object stores.
        git_hosts: Hosts from which repositories are fetched.
        databases: URLs by the names that callers use.
        subjects: NATS subjects, with wildcards.
        nats: Where the NATS server is.
        cache: The folder where repositories are kept.
        max_documents: Documents of one source.
        max_file_bytes: Limit of one file.
        max_text_bytes: Limit of one text.
    """

    roots: Sequence[str]
    git_hosts: Sequence[str]
    databases: Mapping[str, SecretStr]
    subjects: Sequence[str]
    cache: Path
    max_documents: int
    max_file_bytes: int
    max_text_bytes: int
    nats: NatsSettings = field(default_factory=NatsSettings)

    def folder(self, path: str, name: str) -> tuple[Path, Path]:
        """The real path of a local file or folder, and the root that it lies in.

        Raises:
            SourceForbidden: It is outside of every root, perhaps by a symbolic link, or does not exist.
        """
        if not Path(path).is_absolute():
            raise InvalidField(name, "must be an absolute path, or the URL of an object store")
        real = Path(os.path.realpath(path))
        for root in self.roots:
            if "://" not in root and real.is_relative_to(base := Path(os.path.realpath(root))):
                if not real.exists():
                    raise SourceForbidden(name, "does not exist")
                return real, base
        raise SourceForbidden(name, _OUTSIDE)

    def url(self, url: str, name: str) -> str:
        """A URL of an object store that lies below a root.

        Raises:
            SourceForbidden: It does not, or holds credentials, a query, `..` or a second URL.
        """
        scheme, _, rest = url.partition("://")
        if "@" in rest.partition("/")[0]:
            raise SourceForbidden(name, "holds credentials; the operator gives them to the service instead")
        if "::" in url or any(mark in rest for mark in "?#\\") or {"..", "."} & set(rest.split("/")):
            raise SourceForbidden(name, "must be a plain URL, such as s3://bucket/prefix")
        for root in self.roots:
            if "://" in root and (url == root or url.startswith(root.rstrip("/") + "/")):
                return f"{scheme}://{rest}"
        raise SourceForbidden(name, _OUTSIDE)
