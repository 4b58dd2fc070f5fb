"""The command line against a gateway in this process."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import grpc
import pytest
import typer

from olo.gateway.v1 import run_pb2
from olo.gateway.v1.gateway_service_pb2 import ChatStreamResponse, RunStarted, TextDelta
from olo.gateway.v1.run_pb2 import ChatResponse
from olo.retrieval.v1 import retrieval_service_pb2 as rt
from olo_client.cli import program as cli
from olo_client.ingestion import document_id_of, files_under
from olo_testing.ports import free_port


@pytest.fixture(autouse=True)
def _settled(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLO_TARGET", served.target)
    monkeypatch.setenv("COLUMNS", "200")


def streamed(text: str) -> list[ChatStreamResponse]:
    done = ChatStreamResponse()
    done.completed.message.content = text
    done.completed.model = "olo-demo"
    done.completed.citations.add(index=1, title="The tram", source="tram.md", score=0.5, cited=True)
    return [
        ChatStreamResponse(started=RunStarted(run_id="r")),
        ChatStreamResponse(delta=TextDelta(text=text, offset=0)),
        done,
    ]


def test_chat_streams_the_answer_and_names_its_sources_apart(served: Any, capsys: Any) -> None:
    served.gateway.streams = [streamed("In 1908.")]
    assert cli.run(["chat", "When?", "--collection", "demo", "--model", "m"]) == 0
    out, err = capsys.readouterr()
    assert out == "In 1908.\n"
    assert "*[1] The tram (tram.md) 0.500" in err
    request = served.gateway.requests[0].request
    assert (request.model, request.rag.collection) == ("m", "demo")


def test_chat_says_how_to_search_and_what_to_do_without(served: Any, capsys: Any) -> None:
    done = ChatStreamResponse(completed=ChatResponse(run_id="r"))
    grounding = done.completed.grounding
    grounding.state, grounding.failure_reason = run_pb2.GROUNDING_STATE_UNAVAILABLE, "collection_not_found"
    grounding.rewriting_failure = "model_unavailable"
    grounding.marks.add(index=3)
    served.gateway.streams = [[done]]
    arguments = ["chat", "When?", "--collection", "demo", "--rag-mode", "optional", "--retriever", "sparse"]
    assert cli.run([*arguments, "--filter", "topic=tram", "--where", "topic=bus", "--rewrite", "condense"]) == 0
    err = capsys.readouterr().err
    assert "answered without passages: unavailable (collection_not_found)" in err
    assert "the question was not rewritten: model_unavailable" in err
    assert "marks without support in their passage: [3]" in err
    rag = served.gateway.requests[0].request.rag
    assert (rag.mode, rag.query_rewriting) == (run_pb2.RAG_MODE_OPTIONAL, run_pb2.QUERY_REWRITING_CONDENSE)
    assert rag.search.retriever == "sparse"
    (part,) = rag.search.filter.all.filters
    assert (part.comparison.key, list(part.comparison.values)) == ("topic", ["tram", "bus"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--retriever", "sparse"], "retriever: needs a collection"),
        (["--collection", "demo", "--rag-mode", "perhaps"], "RAG_MODE_PERHAPS"),
        (["--collection", "demo", "--rewrite", "twice"], "QUERY_REWRITING_TWICE"),
        (["--collection", "demo", "--filter", "topic"], "is not key=value"),
    ],
)
def test_chat_refuses_what_makes_no_sense(served: Any, arguments: list[str], expected: str, capsys: Any) -> None:
    assert cli.run(["chat", "When?", *arguments]) in (1, 2)
    assert expected in capsys.readouterr().err
    assert not served.gateway.requests


def test_a_run_is_watched_by_its_id(served: Any, capsys: Any) -> None:
    served.gateway.streams = [streamed("In 1908.")]
    assert cli.run(["runs", "watch", "run-7"]) == 0
    assert capsys.readouterr().out == "In 1908.\n"
    assert served.gateway.requests[0].run_id == "run-7"


def test_chat_writes_json_for_programs(capsys: Any) -> None:
    assert cli.run(["chat", "Hello", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["message"]["content"] == "You said Hello"


def test_chat_without_stream(capsys: Any) -> None:
    assert cli.run(["chat", "Hello", "--no-stream"]) == 0
    assert capsys.readouterr().out == "You said Hello\n"


def test_a_folder_is_ingested_and_one_bad_file_does_not_stop_the_rest(served: Any, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "One two.md").write_text("# One")
    (tmp_path / "three.txt").write_text("three")
    (tmp_path / "empty.md").write_text("  ")
    (tmp_path / "latin.md").write_bytes(b"\xe9t\xe9")
    (tmp_path / "broken.md").write_text("x")
    (tmp_path / "picture.png").write_bytes(b"png")
    served.gateway.refused = {"broken.md": "the embedding model is away"}
    assert cli.run(["ingest", str(tmp_path), "--collection", "demo"]) == 1
    out, err = capsys.readouterr()
    assert out == "2 of 5 documents are ready in demo (6 passages)\n"
    for words in (
        "empty.md: the document is empty",
        "latin.md: not UTF-8 text",
        "broken.md: the embedding model is away",
    ):
        assert words in err
    assert set(served.gateway.collections["demo"]) == {"deep.One-two.md", "three.txt", "broken.md"}
    assert served.gateway.collections["demo"]["deep.One-two.md"].source == "deep/One two.md"


def test_a_file_is_ingested_into_a_collection_that_is_there(served: Any, tmp_path: Path, capsys: Any) -> None:
    served.gateway.collections["demo"] = {}
    (tmp_path / "one.md").write_text("# One")
    assert cli.run(["ingest", str(tmp_path / "one.md"), "--collection", "demo"]) == 0
    assert list(served.gateway.collections["demo"]) == ["one.md"]
    capsys.readouterr()
    assert cli.run(["ingest", str(tmp_path / "one.md"), "--collection", "demo", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(Path(file["path"]).name, file["passages"], file["error"]) for file in told["files"]] == [
        ("one.md", 3, None)
    ]


def test_a_page_of_the_web_is_ingested(served: Any, capsys: Any) -> None:
    assert cli.run(["ingest", "https://example.org/times", "--collection", "demo"]) == 0
    assert capsys.readouterr().out == "made-up is ready in demo (3 passages)\n"
    served.gateway.refused = {"made-up": "the page is gone"}
    assert cli.run(["ingest", "https://example.org/times", "--collection", "demo"]) == 1
    assert "https://example.org/times: the page is gone" in capsys.readouterr().err


def test_a_folder_is_kept_in_step(served: Any, tmp_path: Path, capsys: Any) -> None:
    folder = tmp_path / "guides"
    folder.mkdir()
    for name in ("one.md", "two.pdf", "three.txt"):
        (folder / name).write_text(name)
    arguments = ["ingest", str(folder), "--collection", "demo", "--sync"]
    assert cli.run(["ingest", str(tmp_path / "guides" / "one.md"), "--collection", "demo"]) == 0
    assert cli.run(arguments) == 0
    served.gateway.collections["demo"]["other"] = rt.Document(document_id="other")
    (folder / "two.pdf").unlink()
    (folder / "three.txt").write_text("changed")
    served.gateway.ingested.clear()
    capsys.readouterr()
    assert cli.run(arguments) == 0
    assert served.gateway.ingested == ["three.txt"]
    assert set(served.gateway.collections["demo"]) == {"one.md", "three.txt", "other"}
    assert capsys.readouterr().out == (
        "2 of 2 documents are ready in demo (6 passages)\n1 documents are deleted, whose files are gone\n"
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["search", "when?", "--collection", "demo"], "It began in 1908."),
        (["models", "list"], "olo-demo"),
        (["runs", "list", "--limit", "1"], "timed out"),
        (["runs", "get", "r"], "42"),
        (["runs", "cancel", "r"], "r: cancelled"),
        (["collections", "list"], "demo"),
        (["collections", "create", "new"], "new is embedded by minilm"),
        (["collections", "delete", "demo"], "demo is deleted"),
        (["documents", "list", "--collection", "demo"], "source"),
        (["version"], "olo "),
    ],
)
def test_each_command_writes_what_it_found(served: Any, capsys: Any, arguments: list[str], expected: str) -> None:
    served.gateway.collections["demo"] = {}
    assert cli.run(arguments) == 0
    assert expected in capsys.readouterr().out


def test_a_search_says_how(served: Any) -> None:
    options = ["--retriever", "dense", "--where", "lang=de", "--where", "lang=en", "--where", "a=b=c", "--rerank"]
    assert cli.run(["search", "when?", "--collection", "demo", *options]) == 0
    asked = served.gateway.requests[-1]
    assert (asked.retriever, asked.rerank) == ("dense", True)
    parts = [part.comparison for part in asked.filter.all.filters]
    assert [(part.key, list(part.values)) for part in parts] == [("lang", ["de", "en"]), ("a", ["b=c"])]
    assert cli.run(["search", "when?", "--collection", "demo", "--where", "lang"]) == 2


@pytest.mark.parametrize(
    "arguments", [["models", "list"], ["runs", "list"], ["collections", "list"], ["search", "x", "--collection", "c"]]
)
def test_lists_are_json_for_programs(capsys: Any, arguments: list[str]) -> None:
    assert cli.run([*arguments, "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["collections", "create", "new"], {"name": "new"}),
        (["collections", "delete", "demo"], {"deleted": True}),
        (["documents", "delete", "d", "--collection", "demo"], {"document_id": "d"}),
        (["runs", "cancel", "r"], {"state": "RUN_STATE_CANCELLED"}),
        (["models", "alias", "name", "m"], {"alias": "name"}),
        (["models", "drain", "m"], {"draining": ["i1"]}),
        (["benchmarks", "decide", "m", "lmarena"], {"record": None}),
        (["version"], {}),
    ],
)
def test_what_is_done_is_told_to_programs(
    served: Any, capsys: Any, arguments: list[str], expected: dict[str, Any]
) -> None:
    served.gateway.collections["demo"] = {"d": rt.Document(document_id="d")}
    assert cli.run([*arguments, "--json"]) == 0
    assert expected.items() <= json.loads(capsys.readouterr().out).items()


def test_a_watched_run_is_lines_of_events_for_programs(served: Any, capsys: Any) -> None:
    served.gateway.streams = [streamed("In 1908.")]
    assert cli.run(["runs", "watch", "run-7", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [next(iter(line)) for line in lines] == ["started", "delta", "completed"]


def test_an_error_is_one_line_and_exit_code_3_where_it_may_pass(served: Any, capsys: Any) -> None:
    served.gateway.failures = [
        (grpc.StatusCode.UNAVAILABLE, "no_model_available", "no model answers", {"retry_after": 2.0})
    ]
    assert cli.run(["chat", "Hello", "--json"]) == 3
    out, err = capsys.readouterr()
    assert (out, err) == ("", "olo: no model answers (no_model_available, retry after 2 s)\n")


def test_a_gateway_that_is_not_there_is_named(capsys: Any) -> None:
    target = f"127.0.0.1:{free_port()}"
    assert cli.run(["models", "list", "--target", target]) == 3
    assert capsys.readouterr().err == f"olo: no gateway answers at {target} (gateway_not_reachable)\n"


@pytest.mark.parametrize(
    "arguments", [["chat"], ["chat", "x", "--top-k", "0"], ["ingest", "/no/such", "--collection", "c"], ["nonsense"]]
)
def test_wrong_usage_is_exit_code_2(arguments: list[str]) -> None:
    assert cli.run(arguments) == 2


def test_a_folder_without_texts_is_wrong_usage(tmp_path: Path) -> None:
    assert cli.run(["ingest", str(tmp_path), "--collection", "demo"]) == 2


plugin = typer.Typer()


@plugin.command()
def hello() -> None:
    typer.echo("hello from a plugin")


def more(app: typer.Typer) -> None:
    app.command("more")(hello)


def entry(name: str) -> EntryPoint:
    class Here(EntryPoint):
        def load(self) -> Any:
            return {"plugin": plugin, "more": more, "models": plugin}[self.name]

    return Here(name, f"nowhere:{name}", cli.PLUGIN_GROUP)


def test_plugins_add_commands_and_a_broken_one_is_named(capsys: Any) -> None:
    app = cli.build_app([entry("plugin"), entry("more"), entry("broken")])
    assert "nowhere:broken" in capsys.readouterr().err
    for command in ("hello", "more"):
        app([command], standalone_mode=False)
        assert capsys.readouterr().out == "hello from a plugin\n"


def test_a_plugin_named_as_a_group_adds_to_that_group_alone(capsys: Any) -> None:
    app = cli.build_app([entry("models")])
    app(["models", "hello"], standalone_mode=False)
    assert capsys.readouterr().out == "hello from a plugin\n"
    app(["models", "list", "--help"], standalone_mode=False)
    assert "Lists the models" in capsys.readouterr().out
    elsewhere = [(app, ["hello"]), (app, ["runs", "hello"]), (cli.build_app([]), ["models", "hello"])]
    for line, arguments in elsewhere:
        with pytest.raises(SystemExit):
            line(arguments)
        assert "No such command 'hello'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "expected"),
    [("tram.md", "tram.md"), ("a/b c.md", "a.b-c.md"), ("../up.md", "up.md"), ("a/../b.md", "a.b.md")],
)
def test_document_ids_are_spelled_from_paths(source: str, expected: str) -> None:
    assert document_id_of(source) == expected


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "note.md").write_text("x")
    (tmp_path / "note.md").write_text("x")
    assert files_under(tmp_path) == [tmp_path / "note.md"]


def test_a_collection_gets_a_retriever(served: Any, capsys: Any) -> None:
    assert cli.run(["collections", "update", "demo", "--retriever", "sparse"]) == 0
    assert cli.run(["collections", "update", "demo", "--retriever", ""]) == 0
    assert capsys.readouterr().out == "demo is searched by sparse\ndemo is searched by the retriever of the service\n"
