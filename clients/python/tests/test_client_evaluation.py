"""Measures beside a library that is trusted, datasets that are wrong, and the command as a whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ir_measures
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olo.gateway.v1 import run_pb2
from olo.retrieval.v1 import retrieval_service_pb2 as rt
from olo_client import cli
from olo_client.evaluation import measures
from olo_client.evaluation.dataset import DatasetError, read_dataset

DOCUMENTS = [f"d{number}" for number in range(12)]


@given(
    st.lists(st.sampled_from(DOCUMENTS), unique=True),
    st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(1, 3), min_size=1, max_size=8),
)
def test_measures_of_rankings_are_those_of_trec(ranking: list[str], relevant: dict[str, int]) -> None:
    judged = [ir_measures.Qrel("q", document, grade) for document, grade in relevant.items()]
    run = [ir_measures.ScoredDoc("q", document, -float(rank)) for rank, document in enumerate(ranking)]
    wanted = {ir_measures.nDCG @ 10: 0.0, ir_measures.R @ 10: 0.0, ir_measures.RR: 0.0}
    wanted |= ir_measures.calc_aggregate(list(wanted), judged, run) if run else {}
    assert measures.ndcg(ranking, relevant, 10) == pytest.approx(wanted[ir_measures.nDCG @ 10], abs=1e-4)
    assert measures.recall(ranking, relevant, 10) == pytest.approx(wanted[ir_measures.R @ 10], abs=1e-4)
    assert measures.reciprocal_rank(ranking, relevant) == pytest.approx(wanted[ir_measures.RR], abs=1e-4)


def test_measures_of_answers() -> None:
    assert measures.citation_precision(["a", "b", "a", "c"], {"a": 1}) == 0.5
    assert measures.citation_precision([], {"a": 1}) is None
    passages = ["The ferry leaves the north quay at 06:10 each morning."]
    assert measures.groundedness("The ferry leaves the north quay at 06:10. [1]", passages) == 1.0
    assert measures.groundedness("The ferry leaves at 06:10. Its captain enjoys opera immensely.", passages) == 0.5
    assert measures.groundedness("Yes. [1]", passages) is None


def written(folder: Path, documents: list[Any], questions: list[Any]) -> Path:
    for name, lines in (("documents", documents), ("questions", questions)):
        (folder / f"{name}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


A: dict[str, Any] = {"id": "a", "text": "Text of a.", "metadata": {"year": 2026}}
Q: dict[str, Any] = {"id": "q", "question": "What?", "relevant": ["a"]}


def test_a_dataset_is_read(tmp_path: Path) -> None:
    data = read_dataset(
        written(tmp_path, [A], [Q, {**Q, "id": "r", "relevant": {"a": 2}}, {**Q, "id": "s", "relevant": []}])
    )
    assert data.documents[0].metadata == {"year": "2026"}
    assert [question.relevant for question in data.questions] == [{"a": 1}, {"a": 2}, {}]
    assert [question.question_id for question in data.answerable] == ["q", "r"]


@pytest.mark.parametrize(
    ("documents", "questions", "problem"),
    [
        ([], [Q], "documents.jsonl: it is empty"),
        ([A, A], [Q], "comes twice"),
        ([A], [{**Q, "relevant": ["b"]}], "'b', which is no document"),
        ([A], [{**Q, "relevant": {"a": 0}}], "questions.jsonl, line 1"),
        ([A], [{"id": "q", "question": "What?"}], "questions.jsonl, line 1: KeyError"),
        ([{"id": "a", "text": " "}], [Q], "documents.jsonl, line 1"),
        ([["a"]], [Q], "documents.jsonl, line 1"),
    ],
)
def test_a_dataset_that_is_wrong(tmp_path: Path, documents: list[Any], questions: list[Any], problem: str) -> None:
    with pytest.raises(DatasetError, match=problem):
        read_dataset(written(tmp_path, documents, questions))


def test_the_set_of_the_project_is_whole() -> None:
    data = read_dataset(Path(__file__).parents[3] / "tests/rag/town")
    assert len(data.documents) >= 60
    assert len(data.questions) >= 150
    assert len(data.questions) - len(data.answerable) >= 20
    assert {name for question in data.questions for name in question.relevant} == {
        d.document_id for d in data.documents
    }
    assert len({question.text for question in data.questions}) == len(data.questions)


@pytest.fixture
def stack(served: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("OLO_TARGET", served.target)
    return served


def test_eval_measures_a_stack(stack: Any, tmp_path: Path, capsys: Any) -> None:
    documents = [{**A, "id": name} for name in ("a", "b")]
    questions = [Q, {**Q, "id": "r", "relevant": ["b"]}, {**Q, "id": "none", "relevant": []}]
    stack.gateway.found = [rt.Passage(document_id=name) for name in ("b", "b", "a")]
    stack.gateway.citations = [run_pb2.Citation(document_id="b", text="You said what?", cited=True)]
    stack.gateway.marks = [run_pb2.CitationMark(index=1, supported=True), run_pb2.CitationMark(index=2)]
    assert cli.run(["rag", "eval", str(written(tmp_path, documents, questions)), "--answers", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(result["search"]) == {"dense", "sparse", "hybrid"}
    assert result["search"]["hybrid"] == {
        "ndcg": pytest.approx((1 + 0.63093) / 2, abs=1e-4), "recall": 1.0, "mrr": 0.75, "questions": 2,
    }  # fmt: skip
    # The answer of the fake cites one more passage, of no document at all.
    assert result["answers"] == {
        "citation_precision": 0.25, "groundedness": 1.0, "supported": 0.5, "answered": 0.5, "refused": 0.0,
        "failed": 0,
    }  # fmt: skip
    assert list(stack.gateway.collections) == [f"eval-{tmp_path.name}"]


def test_eval_names_what_cannot_be_read(tmp_path: Path, capsys: Any) -> None:
    assert cli.run(["rag", "eval", str(tmp_path / "none")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_eval_tells_of_a_document_that_failed(stack: Any, tmp_path: Path, capsys: Any) -> None:
    stack.gateway.refused["a"] = "the embedding model is not available"
    assert cli.run(["rag", "eval", str(written(tmp_path, [A], [Q]))]) == 1
    assert "a: the embedding model is not available" in capsys.readouterr().err


def test_eval_measures_the_reranker_too(stack: Any, tmp_path: Path, capsys: Any) -> None:
    arguments = ["rag", "eval", str(written(tmp_path, [A], [Q])), "--json", "--retriever", "dense", "--rerank"]
    assert cli.run(arguments) == 0
    assert list(json.loads(capsys.readouterr().out)["search"]) == ["dense", "dense + rerank"]
    assert stack.gateway.requests[-1].rerank
