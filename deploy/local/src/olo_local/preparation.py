"""Model directories, made once from what the project ships."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import json
import shutil
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from olo_local.errors import StackError
from olo_local.processes import tied_to_this_process
from olo_local.settings import LocalSettings
from olo_local.stack import DEMO_MODEL, EMBEDDING_MODEL, MINI_MODEL


@dataclass(frozen=True)
class Preparation:
    """How one model directory is made.

    Attributes:
        name: Its name.
        target: The directory.
        module: The module that makes it, run as a program.
        arguments: The arguments of that program, without the places of source and target.
        source: What it is made from; None where the module brings that along.
    """

    name: str
    target: Path
    module: str
    arguments: tuple[str, ...]
    source: Path | None

    @property
    def command(self) -> tuple[str, ...]:
        """The program that makes it."""
        if self.source is None:
            return ("-m", self.module, str(self.target), *self.arguments)
        places = (str(self.source), "--output", str(self.target))
        return ("-m", self.module, "convert", *places, *self.arguments)

    @property
    def marker(self) -> Path:
        """Beside the directory: what it was made from."""
        return self.target.with_name(f"{self.target.name}.made.json")


def preparations(settings: LocalSettings) -> list[Preparation]:
    """The models of the local stack.

    Raises:
        StackError: A checkpoint is missing.
    """
    models = settings.models_home
    plan = [
        _text_model(models / DEMO_MODEL, settings.checkpoint_home, DEMO_MODEL, "OLO_LOCAL_CHECKPOINT"),
        _text_model(models / MINI_MODEL, settings.mini_checkpoint_home, MINI_MODEL, "OLO_LOCAL_MINI_CHECKPOINT"),
    ]
    plan.append(Preparation(EMBEDDING_MODEL, models / EMBEDDING_MODEL, "olo_embed_worker.minilm", (), None))
    return plan


def _text_model(target: Path, checkpoint: Path, name: str, variable: str) -> Preparation:
    if not (checkpoint / "config.json").is_file():
        raise StackError(f"{checkpoint} holds no model checkpoint: set {variable}, or run from a checkout")
    arguments = ("--quantization", "int8", "--name", name, "--license", "Apache-2.0")
    return Preparation(name, target, "olo_llm_worker.model_directory", arguments, checkpoint)


async def prepare(plan: Iterable[Preparation]) -> AsyncIterator[str]:
    """Makes each directory that is missing or was made from something else; gives the name of each before making it.

    Raises:
        StackError: One cannot be made.
    """
    for item in plan:
        origin = await asyncio.to_thread(_origin, item)
        if not _is_made_from(item, origin):
            yield item.name
            await _make(item)
            item.marker.write_text(json.dumps(origin))


def _is_made_from(item: Preparation, origin: dict[str, str]) -> bool:
    try:
        return item.target.is_dir() and json.loads(item.marker.read_text()) == origin
    except (OSError, ValueError):
        return False


def _origin(item: Preparation) -> dict[str, str]:
    """What a directory depends on: its source, its arguments and the program that makes it."""
    spec = importlib.util.find_spec(item.module)
    if spec is None or spec.origin is None:
        raise StackError(f"the module {item.module} is missing: run `make setup`")
    maker = Path(spec.origin)
    makers = maker.parent.rglob("*.py") if maker.name == "__init__.py" else [maker]
    sources = [] if item.source is None else [path for path in item.source.rglob("*") if path.is_file()]
    # The target may move, and the source too: what they hold is what counts.
    return {"source": _digest(sources), "maker": _digest(makers), "arguments": " ".join(item.arguments)}


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


async def _make(item: Preparation) -> None:
    item.marker.unlink(missing_ok=True)
    await asyncio.to_thread(shutil.rmtree, item.target, ignore_errors=True)
    item.target.parent.mkdir(parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *tied_to_this_process((sys.executable, *item.command)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode != 0:
        words = output.decode(errors="replace").strip().splitlines()
        raise StackError(f"the model {item.name} cannot be prepared: {words[-1] if words else 'no reason was given'}")
