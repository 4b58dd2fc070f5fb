"""HTML to Markdown: what a reader of the page would read."""

from __future__ import annotations

from html.parser import HTMLParser

from olo_retrieval.parsing.extracted import Extracted, Structure, TextWriter
from olo_retrieval.parsing.readers.encoding import decoded

Attributes = list[tuple[str, str | None]]

_LEFT_OUT = frozenset(
    ("script", "style", "noscript", "template", "svg", "math", "head", "iframe", "object", "nav", "footer", "form",
     "button", "select")
)  # fmt: skip
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    ("address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption",
     "figure", "header", "li", "main", "ol", "p", "pre", "section", "summary", "table", "td", "th", "tr", "ul",
     *_HEADINGS)
)  # fmt: skip


def read_html(data: bytes, writer: TextWriter) -> Extracted:
    """Headings, paragraphs, lists, code and tables of a page; navigation, scripts and forms are left out."""
    parser = _Page(writer)
    parser.feed(decoded(data, html=True))
    parser.close()
    parser.end()
    return writer.extracted(Structure.MARKDOWN)


class _Page(HTMLParser):
    """Collects the text of the innermost block and writes it when the block ends."""

    def __init__(self, writer: TextWriter) -> None:
        super().__init__(convert_charrefs=True)
        self._writer = writer
        self._text: list[str] = []
        self._left_out: list[str] = []
        self._heading = 0
        self._in_code = False
        self._in_item = False
        self._rows: list[list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if self._left_out:
            if tag in _LEFT_OUT:
                self._left_out.append(tag)
            return
        if tag in _LEFT_OUT:
            self._flush()
            self._left_out.append(tag)
        elif tag == "br":
            self._text.append("\n")
        elif tag == "hr":
            self._flush()
        elif tag == "table" and self._rows is None:
            self._flush()
            self._rows = []
        elif self._rows is not None:
            self._begin_cell(tag)
        elif tag in _BLOCKS:
            self._flush()
            self._heading = _HEADINGS.get(tag, 0)
            self._in_code = self._in_code or tag == "pre"
            self._in_item = tag == "li"

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        # `<br/>` is a break; `<div/>` opens a div all the same, but `<svg/>` must not leave out the rest of the page.
        if tag not in _LEFT_OUT:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self._left_out:
            if tag == self._left_out[-1]:
                self._left_out.pop()
            elif tag in ("html", "body") or (tag in self._left_out and "head" not in self._left_out):
                self._left_out.clear()
        elif self._rows is not None:
            if tag == "table":
                self._end_table()
            elif tag in ("td", "th"):
                self._end_cell()
        elif tag in _BLOCKS:
            self._flush()
            if tag == "pre":
                self._in_code = False

    def handle_data(self, data: str) -> None:
        if not self._left_out:
            self._text.append(data)

    def end(self) -> None:
        """The page ends, whatever it has left open."""
        if self._rows is not None:
            self._end_table()
        self._flush()

    def _begin_cell(self, tag: str) -> None:
        if tag == "tr":
            self._end_cell()
            self._rows = [*(self._rows or []), []] if not self._rows or self._rows[-1] else self._rows
        elif tag in ("td", "th"):
            self._end_cell()
            self._text = []

    def _end_cell(self) -> None:
        words = " ".join("".join(self._text).split())
        self._text = []
        if self._rows is not None and words:
            if not self._rows:
                self._rows.append([])
            self._rows[-1].append(words)

    def _end_table(self) -> None:
        self._end_cell()
        rows, self._rows = self._rows or [], None
        self._writer.table(rows)

    def _flush(self) -> None:
        raw, self._text = "".join(self._text), []
        heading, self._heading = self._heading, 0
        if self._in_code:
            if raw.strip():
                fence = "```" if "```" not in raw else "~~~~"
                self._writer.paragraph(f"{fence}\n{raw.strip(chr(10))}\n{fence}")
            return
        lines = [words for line in raw.split("\n\n") if (words := " ".join(line.split()))]
        text = "\n".join(lines)
        if heading:
            self._writer.heading(heading, text)
        elif text:
            self._writer.paragraph(f"- {text}" if self._in_item else text)
        self._in_item = False
