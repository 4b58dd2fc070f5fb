"""The archive of an Office file: checked before anything is unpacked, its XML read without entities."""

from __future__ import annotations

import io
import posixpath
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from olo_retrieval.errors import ArchiveUnsafe, DocumentEncrypted, DocumentMalformed, DocumentTypeWrong, XmlUnsafe

_MOST_ENTRIES = 10_000
_MOST_UNPACKED_BYTES = 256 * 1024 * 1024
_LARGEST_PART_BYTES = 64 * 1024 * 1024
_HIGHEST_RATIO = 200
_RATIO_COUNTS_FROM_BYTES = 1024 * 1024
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


class Package:
    """The parts of one Office file."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = {entry.filename for entry in archive.infolist()}

    def has(self, name: str) -> bool:
        """Whether there is such a part."""
        return name in self._names

    def xml(self, name: str) -> Element:
        """The root of an XML part.

        Raises:
            DocumentMalformed: There is no such part, or it is no XML.
            XmlUnsafe: It has a document type or entities.
            ArchiveUnsafe: It unpacks to more than 64 MiB.
        """
        if name not in self._names:
            raise DocumentMalformed
        with self._archive.open(name) as part:
            data = part.read(_LARGEST_PART_BYTES + 1)
        if len(data) > _LARGEST_PART_BYTES:
            raise ArchiveUnsafe
        try:
            root: Element = fromstring(data, forbid_dtd=True)
        except DefusedXmlException:
            raise XmlUnsafe from None
        except ParseError:
            raise DocumentMalformed from None
        return root

    def related(self, name: str) -> dict[str, str]:
        """Names of the parts that a part refers to, by the id of the relation."""
        folder, file = posixpath.split(name)
        relations = f"{folder}/_rels/{file}.rels"
        if not self.has(relations):
            return {}
        return {
            relation.get("Id", ""): posixpath.normpath(posixpath.join("/", folder, relation.get("Target", "")))[1:]
            for relation in self.xml(relations)
            if relation.get("TargetMode") != "External"
        }


def relation_of(element: Element) -> str:
    """The id of the relation by which an element names another part."""
    return element.get(_RELATION, "")


@contextmanager
def opened(data: bytes, main: str) -> Iterator[Package]:
    """The package of an Office file whose main part is `main`.

    Raises:
        ArchiveUnsafe: It would unpack to far too much, or names files outside itself.
        DocumentEncrypted: An entry asks for a password.
        DocumentTypeWrong: It is another kind of archive.
        DocumentMalformed: It is no whole archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check(archive.infolist())
            package = Package(archive)
            if not package.has(main):
                raise DocumentTypeWrong
            yield package
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        raise DocumentMalformed from None


def _check(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > _MOST_ENTRIES or sum(entry.file_size for entry in entries) > _MOST_UNPACKED_BYTES:
        raise ArchiveUnsafe
    for entry in entries:
        # zipfile cuts a name at a NUL; what was there counts.
        name = entry.orig_filename
        outside = name.startswith(("/", "\\")) or "\0" in name or "\\" in name or ":" in name
        if outside or ".." in name.split("/") or stat.S_ISLNK(entry.external_attr >> 16):
            raise ArchiveUnsafe
        if entry.file_size > _RATIO_COUNTS_FROM_BYTES and entry.file_size > _HIGHEST_RATIO * entry.compress_size:
            raise ArchiveUnsafe
        if entry.flag_bits & 0x1:
            raise DocumentEncrypted
