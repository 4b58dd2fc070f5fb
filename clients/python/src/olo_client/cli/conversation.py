"""`olo chat` without a question: a conversation at the terminal."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping

from rich.console import Console

from olo_client.cli.answers import write_stream
from olo_client.client import Olo
from olo_client.errors import OloError
from olo_client.requests import ChatOptions

_HELP = """\
/model NAME   let this model answer from now on (auto: the router chooses)
/clear        begin anew
/exit         leave, as Ctrl-D does; Ctrl-C stops an answer"""


def converse(olo: Olo, options: ChatOptions) -> None:
    """Asks and answers until the end of the input. An answer that fails or is stopped takes its question with it."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  # gives `input` its history and its keys

    told = Console(stderr=True, highlight=False, markup=False)
    told.print("/help lists what can be said beside questions", style="dim")
    options["conversation_id"] = options.get("conversation_id") or uuid.uuid4().hex
    turns: list[Mapping[str, str]] = []
    while (line := _line()) is not None:
        match line.split():
            case []:
                pass
            case ["/exit"]:
                return
            case ["/clear"]:
                turns.clear()
            case ["/model", model]:
                options["model"] = model
            case [word, *_] if word.startswith("/"):
                told.print(_HELP)
            case _:
                turns += _exchange(olo, options, [*turns, {"role": "user", "content": line}], told)


def _line() -> str | None:
    while True:
        try:
            return input("> ")
        except EOFError:
            print()
            return None
        except KeyboardInterrupt:
            print()


def _exchange(olo: Olo, options: ChatOptions, turns: list[Mapping[str, str]], told: Console) -> list[Mapping[str, str]]:
    """The question and its answer, for the turns to come; nothing where there was none."""
    try:
        answer = write_stream(olo.chat_stream(turns, **options))
    except OloError as error:
        told.print(f"olo: {error.message}")
    except KeyboardInterrupt:
        told.print("\n[stopped]", style="dim")
    else:
        if answer is not None:
            return [turns[-1], {"role": "assistant", "content": answer.message.content}]
    return []
