"""Chunks know where they stand, hold everything, and keep to their limits."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from olo_retrieval.chunking import ChunkLimits, chunk_document, title_of
from olo_retrieval.chunking.blocks import BlockKind, find_blocks

_LINES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["", " ", "# Heading", "## ", "Title", "=====", "---", "***", "```python", "```", "~~~~", "~~~"]),
    st.sampled_from(
        ["- item one", "1. first. Second sentence! Third?", "x" * 150, "    code", "a b c d e f g h i j. k"]
    ),
)
TEXTS = st.lists(_LINES, max_size=40).map("\n".join)
LIMITS = st.builds(
    ChunkLimits, max_words=st.integers(1, 30), min_words=st.integers(0, 20), max_chars=st.integers(1, 200)
)


@settings(max_examples=300, deadline=None)
@given(TEXTS, LIMITS)
def test_offsets_limits_and_cover(text: str, limits: ChunkLimits) -> None:
    chunks = chunk_document(text, limits)
    covered = [False] * len(text)
    for number, chunk in enumerate(chunks):
        assert chunk.index == number
        assert chunk.text == text[chunk.start : chunk.end]
        # Code keeps the indentation of its first line.
        assert chunk.text == chunk.text.rstrip() != ""
        assert len(chunk.text) <= limits.max_chars
        assert len(chunk.text.split()) <= limits.max_words
        assert number == 0 or chunks[number - 1].end <= chunk.start
        covered[chunk.start : chunk.end] = [True] * (chunk.end - chunk.start)
    blocks = find_blocks(text)
    structure = (BlockKind.HEADING, BlockKind.RULE)
    if any(block.kind not in structure for block in blocks):
        for block in (block for block in blocks if block.kind in structure):
            assert not any(covered[block.start : block.end])
            covered[block.start : block.end] = [True] * (block.end - block.start)
    assert all(seen or character.isspace() for seen, character in zip(covered, text, strict=True))


@given(TEXTS)
def test_every_character_that_is_not_blank_lies_in_one_block(text: str) -> None:
    count = [0] * len(text)
    for block in find_blocks(text):
        for position in range(block.start, block.end):
            count[position] += 1
    assert all(n <= 1 for n in count)
    assert all(n == 1 or character.isspace() for n, character in zip(count, text, strict=True))


def test_paragraphs_are_chunks_and_headings_are_their_context() -> None:
    words = "The harbour of Lindwall opens at six in the morning and closes when the last of the ferries has come in."
    text = f"# Harbours\n\n{words}\n\n## Tides\n\n{words}\n\n{words}\n"
    chunks = chunk_document(text)
    assert [(chunk.heading, chunk.text) for chunk in chunks] == [
        ("Harbours", words),
        ("Tides", words),
        ("Tides", words),
    ]
    assert chunks[1].embedding_text == f"Tides\n{words}"


def test_short_introduction_joins_its_code_and_stays_in_its_section() -> None:
    code = "```sh\nmake demo\n\nmake down\n```"
    chunks = chunk_document(f"Run this:\n\n{code}\n\n# Next\nShort.")
    assert [chunk.text for chunk in chunks] == [f"Run this:\n\n{code}", "Short."]


def test_long_paragraph_is_cut_between_sentences() -> None:
    sentence = "This sentence has exactly seven words (truly)."
    chunks = chunk_document(" ".join([sentence] * 10), ChunkLimits(max_words=15, min_words=5))
    assert [chunk.text for chunk in chunks] == [f"{sentence} {sentence}"] * 5


def test_long_code_is_cut_between_lines() -> None:
    code = "```\n" + "\n".join(f"line {n} of the code" for n in range(20)) + "\n```"
    for chunk in chunk_document(code, ChunkLimits(max_words=12)):
        assert all(line in code.splitlines() for line in chunk.text.splitlines())


def test_heading_in_code_is_no_heading() -> None:
    assert title_of("```\n# not a title\n```\n\n# Title #\n") == "Title"


def test_titles() -> None:
    assert title_of("Some words\n\nSetext\n======\n") == "Setext"
    assert title_of("\n\nFirst line\nSecond line") == "First line"
    assert title_of(" \n") == ""
    assert len(title_of("x" * 500)) == 120


def test_document_of_headings_alone_is_still_found() -> None:
    assert [chunk.text for chunk in chunk_document("# Opening hours\n\n## Six to nine")] == [
        "# Opening hours\n\n## Six to nine"
    ]


def test_blank_document_has_no_chunk() -> None:
    assert chunk_document(" \n\t\n") == []
