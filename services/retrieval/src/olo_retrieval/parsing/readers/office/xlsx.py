"""XLSX: one table for each sheet, under its name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

from olo_retrieval.parsing.extracted import Extracted, Structure, TextWriter
from olo_retrieval.parsing.readers.office.package import Package, opened, relation_of

_S = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_MAIN, _STRINGS, _STYLES = "xl/workbook.xml", "xl/sharedStrings.xml", "xl/styles.xml"
_COLUMN = re.compile(r"[A-Z]{1,3}")
_MOST_COLUMNS = 1_024
_DATE_FORMATS = frozenset([*range(14, 18), 22])
_QUOTED = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.')
_DAY_ZERO = datetime(1899, 12, 30)
_LAST_DAY = 2_958_465


def read_xlsx(data: bytes, writer: TextWriter) -> Extracted:
    """The values of all sheets, formulas by their last result; columns beyond the 1024th are left out."""
    with opened(data, _MAIN) as package:
        parts = package.related(_MAIN)
        strings = _strings(package)
        dates = _date_styles(package)
        for sheet in package.xml(_MAIN).iter(f"{_S}sheet"):
            part = parts.get(relation_of(sheet), "")
            if not package.has(part):
                continue
            writer.heading(2, sheet.get("name", ""))
            writer.table(_row(row, strings, dates) for row in package.xml(part).iter(f"{_S}row"))
    return writer.extracted(Structure.MARKDOWN)


def _row(row: Element, strings: Sequence[str], dates: frozenset[int]) -> list[str]:
    cells: list[str] = []
    for cell in row.iter(f"{_S}c"):
        column = _column_of(cell.get("r", ""), len(cells))
        if len(cells) <= column < _MOST_COLUMNS:
            cells.extend([""] * (column - len(cells)))
            cells.append(_value(cell, strings, dates))
    return cells


def _column_of(reference: str, following: int) -> int:
    match = _COLUMN.match(reference)
    if match is None:
        return following
    column = 0
    for letter in match.group():
        column = column * 26 + ord(letter) - ord("A") + 1
    return column - 1


def _value(cell: Element, strings: Sequence[str], dates: frozenset[int]) -> str:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return _joined(cell)
    value = cell.findtext(f"{_S}v") or ""
    if kind == "s":
        return strings[int(value)] if value.isdecimal() and int(value) < len(strings) else ""
    if kind == "b":
        return "true" if value == "1" else "false"
    style = cell.get("s", "")
    if kind == "n" and style.isdecimal() and int(style) in dates:
        return _date(value)
    return value


def _date(value: str) -> str:
    try:
        days = float(value)
    except ValueError:
        return value
    if not 0 <= days <= _LAST_DAY:
        return value
    moment = _DAY_ZERO + timedelta(days=days)
    return moment.date().isoformat() if days == int(days) else moment.isoformat(" ", "seconds")


def _strings(package: Package) -> list[str]:
    if not package.has(_STRINGS):
        return []
    return [_joined(item) for item in package.xml(_STRINGS).iter(f"{_S}si")]


def _joined(element: Element) -> str:
    # Readings of Japanese words stand beside them and are no part of the text.
    phonetic = {id(text) for run in element.iter(f"{_S}rPh") for text in run.iter(f"{_S}t")}
    return "".join(text.text or "" for text in element.iter(f"{_S}t") if id(text) not in phonetic)


def _date_styles(package: Package) -> frozenset[int]:
    """Numbers of the cell styles that show a number as a date."""
    if not package.has(_STYLES):
        return frozenset()
    styles = package.xml(_STYLES)
    formats = {fmt.get("numFmtId"): fmt.get("formatCode", "") for fmt in styles.iter(f"{_S}numFmt")}
    return frozenset(number for number, fmt in enumerate(_cell_formats(styles)) if _is_date(fmt, formats.get(fmt, "")))


def _cell_formats(styles: Element) -> Iterator[str]:
    for cell_format in styles.iterfind(f"{_S}cellXfs/{_S}xf"):
        yield cell_format.get("numFmtId", "0")


def _is_date(number: str, code: str) -> bool:
    if number.isdecimal() and int(number) in _DATE_FORMATS:
        return True
    bare = _QUOTED.sub("", code).lower()
    return "y" in bare or "d" in bare
