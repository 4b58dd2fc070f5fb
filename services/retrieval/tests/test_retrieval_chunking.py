"""Chunks know where they stand, hold everything, and keep to their limits."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from olo_retrieval.chunking import ChunkLimits, Strategy, chunk_document, title_of
from olo_retrieval.chunking.blocks import BlockKind, find_blocks
from olo_retrieval.chunking.tokens import estimate_tokens
from olo_retrieval.structure import Structure

_LINES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["", " ", "# Heading", "## ", "Title", "=====", "---", "***", "```python", "```", "~~~~", "~~~"]),
    st.sampled_from(
        ["- item one", "1. first. Second sentence! Third?", "x" * 150, "    code", "a b c d e f g h i j. k"]
    ),
)
TEXTS = st.lists(_LINES, max_size=40).map("\n".join)
LIMITS = st.integers(1, 60).flatmap(
    lambda most: st.builds(
        ChunkLimits, max_tokens=st.just(most), min_tokens=st.integers(0, 30), overlap_tokens=st.integers(0, most // 2)
    )
)
STRUCTURES = st.sampled_from(Structure)


@settings(max_examples=300, deadline=None)
@given(TEXTS, LIMITS, STRUCTURES, st.sampled_from(Strategy), st.sets(st.integers(0, 400), max_size=5))
def test_offsets_limits_and_cover(
    text: str, limits: ChunkLimits, structure: Structure, strategy: Strategy, cuts: set[int]
) -> None:
    pages = sorted({cut for cut in cuts if cut <= len(text) and text[max(cut - 2, 0) : cut] in ("", "\n\n")})
    chunks = chunk_document(text, limits, strategy=strategy, structure=structure, pages=pages)
    covered = [False] * len(text)
    for number, chunk in enumerate(chunks):
        assert chunk.index == number
        assert chunk.text == text[chunk.start : chunk.end]
        # Code keeps the indentation of its first line.
        assert chunk.text == chunk.text.rstrip() != ""
        assert len(chunk.text) <= limits.max_chars
        assert estimate_tokens(text, chunk.start, chunk.end) <= limits.max_tokens
        if number:
            before = chunks[number - 1]
            assert before.start < chunk.start
            assert before.end < chunk.end
            shared = estimate_tokens(text, chunk.start, max(before.end, chunk.start))
            assert shared <= limits.overlap_tokens
        if chunk.parent:
            assert chunk.parent[0] <= chunk.start < chunk.end <= chunk.parent[1]
            assert chunk.parent[1] - chunk.parent[0] <= 5 * limits.max_chars
        assert (chunk.parent is not None) == (strategy is Strategy.PARENT_CHILD)
        covered[chunk.start : chunk.end] = [True] * (chunk.end - chunk.start)
    structural = (BlockKind.HEADING, BlockKind.RULE)
    blocks = find_blocks(text, structure)
    if strategy is not Strategy.FIXED and any(block.kind not in structural for block in blocks):
        for block in (block for block in blocks if block.kind in structural):
            assert not any(covered[block.start : block.end])
            covered[block.start : block.end] = [True] * (block.end - block.start)
    assert all(seen or character.isspace() for seen, character in zip(covered, text, strict=True))


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4), LIMITS, st.sampled_from(Strategy))
def test_no_chunk_crosses_a_page(texts: list[str], limits: ChunkLimits, strategy: Strategy) -> None:
    pages, whole = [], ""
    for text in texts:
        pages.append(len(whole))
        whole += text + "\n\n"
    ends = [*pages[1:], len(whole)]
    for chunk in chunk_document(whole, limits, strategy=strategy, structure=Structure.TEXT, pages=pages):
        assert chunk.page is not None
        assert pages[chunk.page - 1] <= chunk.start < chunk.end <= ends[chunk.page - 1]


@given(TEXTS, STRUCTURES)
def test_every_character_that_is_not_blank_lies_in_one_block(text: str, structure: Structure) -> None:
    count = [0] * len(text)
    for block in find_blocks(text, structure):
        for position in range(block.start, block.end):
            count[position] += 1
    assert all(n <= 1 for n in count)
    assert all(n == 1 or character.isspace() for n, character in zip(count, text, strict=True))


def test_paragraphs_are_chunks_and_headings_are_their_context() -> None:
    words = "The harbour of Lindwall opens at six in the morning and closes when the last of the ferries has come in."
    text = f"# Harbours\n\n{words}\n\n## Tides\n\n{words}\n\n{words}\n"
    chunks = chunk_document(text)
    assert [(chunk.headings, chunk.text) for chunk in chunks] == [
        (("Harbours",), words),
        (("Harbours", "Tides"), words),
        (("Harbours", "Tides"), words),
    ]
    assert chunks[1].embedding_text == f"Tides\n{words}"


def test_short_introduction_joins_its_code_and_stays_in_its_section() -> None:
    code = "```sh\nmake demo\n\nmake down\n```"
    chunks = chunk_document(f"Run this:\n\n{code}\n\n# Next\nShort.")
    assert [chunk.text for chunk in chunks] == [f"Run this:\n\n{code}", "Short."]


def test_long_paragraph_is_cut_between_sentences() -> None:
    sentence = "This sentence has exactly seven words (truly)."
    chunks = chunk_document(" ".join([sentence] * 10), ChunkLimits(max_tokens=26, min_tokens=5))
    assert [chunk.text for chunk in chunks] == [f"{sentence} {sentence}"] * 5


def test_long_code_is_cut_between_lines() -> None:
    code = "```\n" + "\n".join(f"line {n} of the code" for n in range(20)) + "\n```"
    for chunk in chunk_document(code, ChunkLimits(max_tokens=12)):
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


def test_heading_path_follows_the_levels() -> None:
    text = "# A\n\none\n\n### B\n\ntwo\n\n## C\n\nthree\n\nD\n=\n\nfour"
    assert [chunk.headings for chunk in chunk_document(text)] == [("A",), ("A", "B"), ("A", "C"), ("D",)]


def test_table_is_cut_between_rows_and_later_rows_are_embedded_with_the_header() -> None:
    table = "| town | ferries |\n| --- | --- |\n" + "".join(f"| Lindwall {n} | {n} a day |\n" for n in range(20))
    chunks = chunk_document(table, ChunkLimits(max_tokens=60))
    assert len(chunks) > 2
    for chunk in chunks:
        assert all(line in table.splitlines() for line in chunk.text.splitlines())
        assert chunk.embedding_text.startswith("| town | ferries |\n")


def test_code_is_cut_before_what_stands_at_the_margin() -> None:
    one = "def one():\n    a = 1\n\n    return a"
    two = "def two():\n    return 2"
    chunks = chunk_document(f"{one}\n\n\n{two}\n", ChunkLimits(max_tokens=16, min_tokens=0), structure=Structure.CODE)
    assert [chunk.text for chunk in chunks] == [one, two]


def test_plain_text_has_no_headings() -> None:
    text = "# 7 is the number of the house."
    assert [(c.text, c.headings) for c in chunk_document(text, structure=Structure.TEXT)] == [(text, ())]


def test_overlap_repeats_the_last_words_of_the_chunk_before() -> None:
    text = " ".join(f"word{n}." for n in range(40))
    chunks = chunk_document(text, ChunkLimits(max_tokens=30, min_tokens=0, overlap_tokens=6))
    for before, chunk in pairwise(chunks):
        assert before.start < chunk.start < before.end
        assert text[chunk.start : before.end] == " ".join(before.text.split()[-2:])


def test_parent_holds_its_neighbours_and_ends_with_its_section() -> None:
    sentences = [f"Sentence number {n} of the first section." for n in range(3)]
    text = "# One\n\n" + "\n\n".join(sentences) + "\n\n# Two\n\nShort."
    chunks = chunk_document(text, ChunkLimits(max_tokens=16, min_tokens=0), strategy=Strategy.PARENT_CHILD)
    parents = [text[slice(*chunk.parent)] for chunk in chunks if chunk.parent]
    assert parents == ["\n\n".join(sentences)] * 3 + ["Short."]


def test_very_long_lines_and_gaps_take_time_in_proportion() -> None:
    for text in ("x" * 500_000, "-" * 500_000 + "x", "\n" * 500_000 + " x", "| a\n" + "|-" * 300_000 + "x"):
        for structure in Structure:
            assert find_blocks(text, structure)
            assert chunk_document(text, strategy=Strategy.FIXED, structure=structure)
