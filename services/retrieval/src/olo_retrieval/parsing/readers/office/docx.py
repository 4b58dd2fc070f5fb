"""DOCX: headings, paragraphs, lists and tables in the order of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element

from olo_retrieval.parsing.extracted import Extracted, Structure, TextWriter
from olo_retrieval.parsing.readers.office.package import Package, opened

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MAIN, _STYLES = "word/document.xml", "word/styles.xml"
_HEADING_NAME = re.compile(r"heading ([1-9])$", re.IGNORECASE)
_WRAPPERS = frozenset(f"{_W}{name}" for name in ("sdt", "sdtContent", "ins", "smartTag", "customXml"))


def read_docx(data: bytes, writer: TextWriter) -> Extracted:
    """The text of the body; headers, footers, comments and deleted text are left out."""
    with opened(data, _MAIN) as package:
        levels = _heading_levels(package)
        body = package.xml(_MAIN).find(f"{_W}body")
        for block in _blocks(body):
            if block.tag == f"{_W}tbl":
                writer.table([[_text(cell) for cell in row.iter(f"{_W}tc")] for row in block.iter(f"{_W}tr")])
            else:
                _write_paragraph(block, levels, writer)
    return writer.extracted(Structure.MARKDOWN)


def _write_paragraph(paragraph: Element, levels: Mapping[str, int], writer: TextWriter) -> None:
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    level = levels.get(style.get(f"{_W}val", ""), 0) if style is not None else 0
    text = _text(paragraph).strip()
    if level:
        writer.heading(level, text)
    elif text and paragraph.find(f"{_W}pPr/{_W}numPr") is not None:
        writer.paragraph(f"- {text}")
    else:
        writer.paragraph(text)


def _blocks(parent: Element | None) -> Iterator[Element]:
    for child in parent if parent is not None else ():
        if child.tag in (f"{_W}p", f"{_W}tbl"):
            yield child
        elif child.tag in _WRAPPERS:
            yield from _blocks(child)


def _text(element: Element) -> str:
    parts = []
    for node in element.iter():
        if node.tag == f"{_W}t":
            parts.append(node.text or "")
        elif node.tag == f"{_W}tab":
            parts.append("\t")
        elif node.tag in (f"{_W}br", f"{_W}cr") or (node.tag == f"{_W}p" and parts):
            parts.append("\n")
    return "".join(parts)


def _heading_levels(package: Package) -> dict[str, int]:
    """The level of each style that is a heading; ids are in the writer's language, names are not."""
    levels = {"Title": 1}
    if not package.has(_STYLES):
        return levels | {f"Heading{level}": level for level in range(1, 10)}
    for style in package.xml(_STYLES).iter(f"{_W}style"):
        name = style.find(f"{_W}name")
        if name is not None and (match := _HEADING_NAME.match(name.get(f"{_W}val", ""))):
            levels[style.get(f"{_W}styleId", "")] = int(match.group(1))
    return levels
