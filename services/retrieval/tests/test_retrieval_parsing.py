"""Files become text; files that would do harm become one clear error."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter
from retrieval_files import docx, paragraph, pdf, pptx, xlsx, zipped

from olo_common.errors import OloError
from olo_retrieval.adapters.parser_process import ParseLimits, ParserProcess
from olo_retrieval.chunking import chunk_document
from olo_retrieval.errors import DocumentEmpty, DocumentTooComplex, DocumentTypeWrong, UnreadableDocument
from olo_retrieval.parsing import Extracted, Format, Structure, claimed_format
from olo_retrieval.parsing.readers.dispatch import extract

LIMIT = 100_000


def text_of(data: bytes, claimed: Format) -> str:
    return extract(data, claimed, LIMIT).text


def reason_of(data: bytes, claimed: Format) -> str:
    with pytest.raises(OloError) as caught:
        extract(data, claimed, LIMIT)
    assert caught.value.field == "document.data"
    assert not caught.value.retryable
    return caught.value.reason


def encrypted_pdf(password: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(["The ferry leaves at six."]))))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="AES-128")
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_pdf_has_pages() -> None:
    found = extract(pdf(["The ferry leaves at six.", "The train leaves at nine."]), Format.PDF, LIMIT)
    assert found.structure is Structure.TEXT
    chunks = chunk_document(found.text, structure=found.structure, pages=found.pages)
    assert [(chunk.page, chunk.text) for chunk in chunks] == [
        (1, "The ferry leaves at six."),
        (2, "The train leaves at nine."),
    ]


def test_pdf_that_only_forbids_printing_is_read() -> None:
    assert text_of(encrypted_pdf(""), Format.PDF).strip() == "The ferry leaves at six."


def test_docx_has_headings_lists_and_tables() -> None:
    styles = '<w:style w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>'
    item = "<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>six</w:t></w:r></w:p>"
    cells = "".join(f"<w:tc>{paragraph(text)}</w:tc>" for text in ("town", "ferries"))
    gone = "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
    body = paragraph("Times", "berschrift2") + item + gone + f"<w:tbl><w:tr>{cells}</w:tr></w:tbl>" + paragraph("End.")
    expected = "## Times\n\n- six\n\n| town | ferries |\n| --- | --- |\n\nEnd.\n\n"
    assert text_of(docx(body, styles), Format.DOCX) == expected


def test_pptx_has_slides_in_the_order_of_the_show() -> None:
    found = extract(pptx([("Second", "two"), ("First", "one")]), Format.PPTX, LIMIT)
    assert found.text == "## First\n\none\n\n## Second\n\ntwo\n\n"
    assert [found.text[start:].split()[1] for start in found.pages] == ["First", "Second"]


def test_xlsx_has_tables_dates_and_gaps() -> None:
    rows = (
        '<row><c r="A1" t="s"><v>0</v></c><c r="C1" t="inlineStr"><is><t>day</t></is></c></row>'
        '<row><c r="A2"><v>7.5</v></c><c r="B2" t="b"><v>1</v></c><c r="C2" s="1"><v>45292</v></c></row>'
        '<row><c r="XFD3"><v>9</v></c></row>'
    )
    styles = '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>'
    expected = "## Ferries\n\n| price |  | day |\n| --- | --- | --- |\n| 7.5 | true | 2024-01-01 |\n\n"
    assert text_of(xlsx(rows, ["price"], styles), Format.XLSX) == expected


def test_html_keeps_what_is_read() -> None:
    page = (
        "<html><head><title>t</title><style>b{}</style></head><body><nav>menu</nav><h2>Times &amp; fares</h2>"
        "<script>alert(1)</script><p>At <b>six</b>\n sharp.<ul><li>one<li>two</ul><svg/><pre>a\n\n b</pre>"
        "<table><tr><th>k<th>v<tr><td>1<td>2</table><footer>foot</footer><p>End."
    )
    assert text_of(page.encode(), Format.HTML) == (
        "## Times & fares\n\nAt six sharp.\n\n- one\n\n- two\n\n```\na\n\n b\n```\n\n"
        "| k | v |\n| --- | --- |\n| 1 | 2 |\n\nEnd.\n\n"
    )


@pytest.mark.parametrize(
    ("data", "claimed", "text"),
    [
        (b"a;b\n1,5;2\n", Format.CSV, "| a | b |\n| --- | --- |\n| 1,5 | 2 |\n\n"),
        (b"a\tb\n1\t|\n", Format.TSV, "| a | b |\n| --- | --- |\n| 1 | \\| |\n\n"),
        (b'[{"a": {"b": [1, "x\\n\\ny"]}}, true]', Format.JSON, "a.b: 1\na.b: x\ny\n\ntrue\n\n"),
        (b'{"a": null, "b": 1.5}\n\n{"c": 2}', Format.JSONL, "b: 1.5\n\nc: 2\n\n"),
        ("\ufefföl\r\nx".encode(), Format.TEXT, "öl\nx\n\n"),
        ("öl".encode("utf-16"), Format.TEXT, "öl\n\n"),
        ('<meta charset="iso-8859-1"><p>öl'.encode("latin-1"), Format.HTML, "öl\n\n"),
        (b"def f():\n    pass\n", Format.CODE, "def f():\n    pass\n\n"),
    ],
)
def test_text_formats(data: bytes, claimed: Format, text: str) -> None:
    assert text_of(data, claimed) == text


@pytest.mark.parametrize(
    ("media_type", "source", "expected"),
    [
        ("application/pdf", "x.txt", Format.PDF),
        ("TEXT/HTML; charset=utf-8", "", Format.HTML),
        ("application/octet-stream", "a/b.DOCX", Format.DOCX),
        ("", "https://example.org/page.html?x=1#y", Format.HTML),
        ("", "src/main.rs", Format.CODE),
    ],
)
def test_claims(media_type: str, source: str, expected: Format) -> None:
    assert claimed_format(media_type, source) is expected


@pytest.mark.parametrize(("media_type", "source"), [("", ""), ("", "x.exe"), ("image/png", "x.pdf"), ("", "pdf")])
def test_claims_that_nobody_reads(media_type: str, source: str) -> None:
    with pytest.raises(DocumentTypeWrong):
        claimed_format(media_type, source)


def archive(name: str, mode: int = 0o644, data: bytes = b"x") -> bytes:
    buffer = io.BytesIO(docx(paragraph("text")))
    with zipfile.ZipFile(buffer, "a") as opened:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        opened.writestr(entry, data)
    return buffer.getvalue()


def bomb(size: int) -> bytes:
    return zipped({"word/document.xml": b" " * size})


LAUGHS = "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("zabcdefg", "abcdefgh", strict=True)
)


def with_entities(entities: str) -> bytes:
    return zipped({"word/document.xml": f"<!DOCTYPE d [{entities}]><d>&a;</d>"})


@pytest.mark.parametrize(
    ("data", "claimed", "reason"),
    [
        (b" \n", Format.TEXT, "document_empty"),
        (b"<p></p>", Format.HTML, "document_empty"),
        (b"\x7fELF\0\0", Format.TEXT, "document_type"),
        (b"%PDF-1.4", Format.DOCX, "document_type"),
        (b"hello", Format.PDF, "document_type"),
        (docx(paragraph("x")), Format.PDF, "document_type"),
        (docx(paragraph("x")), Format.XLSX, "document_type"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", Format.DOCX, "document_encrypted"),
        (encrypted_pdf("secret"), Format.PDF, "document_encrypted"),
        (pdf([zlib.compress(b"q Q")]), Format.PDF, "document_no_text"),
        (b"%PDF-1.4 nothing else", Format.PDF, "document_malformed"),
        (docx(paragraph("x"))[:-30], Format.DOCX, "document_malformed"),
        (b"\xff\xfe\xff", Format.TEXT, "document_malformed"),
        (b"caf\xe9", Format.TEXT, "document_malformed"),
        (b"{", Format.JSON, "document_malformed"),
        (b"[" * 100_000, Format.JSON, "document_too_complex"),
        (b"x" * (LIMIT + 1), Format.TEXT, "document_text_too_long"),
        (bomb(20_000_000), Format.DOCX, "archive_unsafe"),
        (archive("../../etc/passwd"), Format.DOCX, "archive_unsafe"),
        (archive("/etc/passwd"), Format.DOCX, "archive_unsafe"),
        (archive("C:\\x"), Format.DOCX, "archive_unsafe"),
        (archive("link", stat.S_IFLNK | 0o777), Format.DOCX, "archive_unsafe"),
        (with_entities(f'<!ENTITY z "ha">{LAUGHS}'), Format.DOCX, "xml_unsafe"),
        (with_entities('<!ENTITY a SYSTEM "file:///etc/passwd">'), Format.DOCX, "xml_unsafe"),
    ],
)  # fmt: skip
def test_bad_files(data: bytes, claimed: Format, reason: str) -> None:
    assert reason_of(data, claimed) == reason


def test_nested_archives_stay_closed() -> None:
    assert text_of(archive("word/embeddings/bomb.zip", data=bomb(1_000_000)), Format.DOCX) == "text\n\n"


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from(Format))
def test_whatever_comes_ends_in_text_or_in_one_of_the_errors(data: st.DataObject, claimed: Format) -> None:
    good = {Format.PDF: pdf(["words"]), Format.DOCX: docx(paragraph("words")), Format.PPTX: pptx([("a", "b")]),
            Format.XLSX: xlsx("<row><c><v>1</v></c></row>")}  # fmt: skip
    base = good.get(claimed, b'<p>{"a": [1, "b"]}</p>\n# x,y\n')
    cut = data.draw(st.integers(0, len(base)))
    mangled = base[:cut] + data.draw(st.binary(max_size=20)) + base[cut + data.draw(st.integers(0, 20)) :]
    try:
        found = extract(mangled, claimed, LIMIT)
    except (UnreadableDocument, DocumentEmpty):
        return
    assert found.text.strip()
    assert "\0" not in found.text
    assert all(0 <= start <= len(found.text) for start in found.pages)


PARSER = ParserProcess(ParseLimits(seconds=20, memory_bytes=256 * 1024 * 1024, max_chars=LIMIT))


async def test_child_gives_what_the_reader_gives() -> None:
    data = pdf(["The ferry leaves at six.", "\\tÖ"])
    assert await PARSER.parse(data, Format.PDF) == extract(data, Format.PDF, LIMIT)
    with pytest.raises(DocumentEmpty):
        await PARSER.parse(b"<p> ", Format.HTML)


async def test_child_dies_alone_of_memory() -> None:
    # Each level of the array takes an object; the text is small, what is made of it is not.
    data = b"[" + b"{}," * 4_000_000 + b"{}]"
    with pytest.raises(DocumentTooComplex):
        await PARSER.parse(data, Format.JSON)
    assert await PARSER.parse(b"still here", Format.TEXT) == Extracted("still here\n\n", Structure.TEXT)


async def test_child_dies_alone_of_time() -> None:
    page = zlib.compress(b"BT /F1 12 Tf (x) Tj ET " * 500_000)
    parser = ParserProcess(ParseLimits(seconds=1, memory_bytes=1024 * 1024 * 1024, max_chars=10_000_000))
    with pytest.raises(DocumentTooComplex):
        await parser.parse(pdf([page] * 20), Format.PDF)


async def test_pdf_bomb_ends_as_an_error() -> None:
    with pytest.raises(UnreadableDocument):
        await PARSER.parse(pdf([zlib.compress(b" " * 80_000_000)]), Format.PDF)
