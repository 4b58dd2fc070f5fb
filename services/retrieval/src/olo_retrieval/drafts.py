"""Makes a draft of what was handed in, or refuses it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace

from olo_common.errors import InvalidField
from olo_contracts.identifiers import DOCUMENT_ID, is_valid
from olo_retrieval.chunking import title_of
from olo_retrieval.errors import DocumentEmpty, DocumentTooLarge
from olo_retrieval.fetching import target_of
from olo_retrieval.parsing import claimed_format, recognise
from olo_retrieval.types import Draft, RawFile

_LONGEST_FIELD = 1_024
_MOST_METADATA = 64
_NOT_AN_ID = re.compile(r"[^A-Za-z0-9_]+")


def make_draft(
    *, document_id: str, title: str, source: str, content: str, metadata: Mapping[str, str], max_bytes: int
) -> Draft:
    """The draft, its id and title made up where they are empty.

    Raises:
        DocumentEmpty: There is no text.
        DocumentTooLarge: The text has more than `max_bytes` bytes of UTF-8.
        InvalidField: The id is misspelt, a field is too long, or the text is not text.
    """
    encoded = content.encode()
    if len(encoded) > max_bytes:
        raise DocumentTooLarge("document.content", len(encoded), max_bytes)
    if "\0" in content:
        raise InvalidField("document.content", "holds a NUL character", reason="text_not_utf8")
    if not content.strip():
        raise DocumentEmpty
    digest = hashlib.sha256(encoded).hexdigest()
    made = named(document_id, title, source, metadata, digest)
    return replace(made, title=made.title or title_of(content), content=content, size_bytes=len(encoded))


def make_file_draft(
    *,
    document_id: str,
    title: str,
    source: str,
    data: bytes,
    media_type: str,
    metadata: Mapping[str, str],
    max_bytes: int,
) -> Draft:
    """The draft of a file, its id made up where it is empty; the text is read out later.

    Raises:
        DocumentEmpty: There is nothing in the file.
        DocumentTooLarge: The file has more than `max_bytes` bytes.
        DocumentTypeWrong: Its type is not one that is read, or its first bytes are not of that type.
        DocumentEncrypted: It is an Office file with a password.
        InvalidField: The id is misspelt, or a field is too long.
    """
    if len(data) > max_bytes:
        raise DocumentTooLarge("document.data", len(data), max_bytes)
    if not data.strip():
        raise DocumentEmpty("document.data")
    found = recognise(data, claimed_format(media_type, source))
    made = named(document_id, title, source, metadata, hashlib.sha256(data).hexdigest())
    return replace(made, file=RawFile(data, found.value), size_bytes=len(data))


def make_url_draft(*, document_id: str, title: str, source: str, url: str, metadata: Mapping[str, str]) -> Draft:
    """The draft of a file that is fetched later; the source is the URL where none is given.

    Raises:
        UrlForbidden: The URL is not one that may be fetched.
        InvalidField: The id is misspelt, or a field is too long.
    """
    made = named(document_id, title, source or target_of(url).url, metadata, hashlib.sha256(b"").hexdigest())
    return replace(made, url=target_of(url).url)


def named(document_id: str, title: str, source: str, metadata: Mapping[str, str], digest: str) -> Draft:
    """A draft without content, what it is called by checked."""
    for name, value in (("title", title), ("source", source)):
        if len(value) > _LONGEST_FIELD or "\0" in value:
            raise InvalidField(f"document.{name}", f"more than {_LONGEST_FIELD} characters, or NUL among them")
    if len(metadata) > _MOST_METADATA or any(len(k) + len(v) > _LONGEST_FIELD for k, v in metadata.items()):
        raise InvalidField("document.metadata", f"more than {_MOST_METADATA} entries, or one that is too long")
    document_id = document_id or made_id(source, digest)
    if not is_valid(DOCUMENT_ID, document_id):
        raise InvalidField(
            "document.document_id", "1 to 128 letters, digits and ._:- are allowed, beginning with a letter or digit"
        )
    return Draft(document_id, title.strip(), source, "", digest, 0, dict(metadata))


def made_id(source: str, digest: str) -> str:
    """An id that is the same whenever the same source comes again; without a source, the same content."""
    if not source:
        return f"doc-{digest[:16]}"
    words = _NOT_AN_ID.sub("-", source).strip("-_")[-80:].strip("-_") or "doc"
    return f"{words}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
