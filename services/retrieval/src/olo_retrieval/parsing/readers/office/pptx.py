"""PPTX: one page for each slide."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from olo_retrieval.parsing.extracted import Extracted, Structure, TextWriter
from olo_retrieval.parsing.readers.office.package import opened, relation_of

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_MAIN = "ppt/presentation.xml"
_TITLES = ("title", "ctrTitle")


def read_pptx(data: bytes, writer: TextWriter) -> Extracted:
    """The title, texts and tables of each slide, in the order of the show; notes are left out."""
    with opened(data, _MAIN) as package:
        parts = package.related(_MAIN)
        for slide in package.xml(_MAIN).iter(f"{_P}sldId"):
            writer.begin_page()
            _write_slide(package.xml(parts.get(relation_of(slide), "")), writer)
    return writer.extracted(Structure.MARKDOWN)


def _write_slide(slide: Element, writer: TextWriter) -> None:
    shapes = list(slide.iter(f"{_P}sp"))
    titles = [shape for shape in shapes if _is_title(shape)]
    for shape in titles:
        writer.heading(2, " ".join(_paragraphs(shape)))
    for shape in shapes:
        if shape not in titles:
            writer.paragraph("\n".join(_paragraphs(shape)))
    for table in slide.iter(f"{_A}tbl"):
        writer.table([[" ".join(_paragraphs(cell)) for cell in row.iter(f"{_A}tc")] for row in table.iter(f"{_A}tr")])


def _is_title(shape: Element) -> bool:
    placeholder = shape.find(f"{_P}nvSpPr/{_P}nvPr/{_P}ph")
    return placeholder is not None and placeholder.get("type") in _TITLES


def _paragraphs(element: Element) -> list[str]:
    texts = ["".join(run.text or "" for run in line.iter(f"{_A}t")).strip() for line in element.iter(f"{_A}p")]
    return [text for text in texts if text]
