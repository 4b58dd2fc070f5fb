"""Tries a model directory out: everything that can be known before it is served."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import ctranslate2
import numpy as np
from tokenizers import Tokenizer

from olo_llm_worker.errors import ModelDirectoryError
from olo_llm_worker.model_directory.chat_template import ChatTemplate, TemplateRefusal
from olo_llm_worker.model_directory.loading import ModelDirectory, load
from olo_llm_worker.model_directory.manifest import CHAT_TEMPLATE, MODEL, TOKENIZER, VOCABULARY
from olo_llm_worker.model_directory.model_bin import read_model_bin
from olo_llm_worker.model_directory.shapes import check_shapes

SMOKE_TOKENS: Final = 8
_TEXTS: Final = ("The bridge was opened in 1932.", "Zwölf Boxkämpfer: 3,50 €", "東京 — ½ ok 🙂", "a\n\n  b\tc")
_SYSTEM: Final = {"role": "system", "content": "Answer in one sentence."}
_USER: Final = {"role": "user", "content": "When was the bridge opened?"}


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    ok: bool
    detail: str


def verify(path: Path) -> list[Check]:
    """Checks files, shapes, tokenizer, chat template and a short generation. Never raises.

    Where the files are not what the manifest says, nothing of them is read further, and the others are not tried.
    """
    try:
        directory = load(path)
    except ModelDirectoryError as error:
        return [Check("files", False, str(error))]
    total = sum(entry.size for entry in directory.manifest.files.values())
    files = f"{len(directory.manifest.files)} files, {total / 1e6:.1f} MB, each with its size and SHA-256"
    steps: list[tuple[str, Callable[[ModelDirectory], str]]] = [
        ("shapes", _shapes),
        ("tokenizer", _tokenizer),
        ("template", _template),
        ("generation", _generation),
    ]
    return [Check("files", True, files), *(_check(name, step, directory) for name, step in steps)]


def _check(name: str, step: Callable[[ModelDirectory], str], directory: ModelDirectory) -> Check:
    try:
        return Check(name, True, step(directory))
    except (ModelDirectoryError, TemplateRefusal) as error:
        return Check(name, False, str(error))
    except Exception as error:
        # Files whose hashes are right may still hold anything, and four libraries read them.
        words = str(error).strip() or type(error).__name__
        return Check(name, False, f"it cannot be tried: {words.splitlines()[0][:300]}")


def _shapes(directory: ModelDirectory) -> str:
    size = len(_vocabulary(directory))
    layers = check_shapes(read_model_bin(directory.file(MODEL)), size)
    return f"{layers} layers, {size} tokens"


def _tokenizer(directory: ModelDirectory) -> str:
    tokenizer, vocabulary = Tokenizer.from_file(str(directory.file(TOKENIZER))), _vocabulary(directory)
    strange = [token for token, number in tokenizer.get_vocab().items() if number >= len(vocabulary)]
    if strange:
        raise ModelDirectoryError(f"the tokenizer has {len(strange)} tokens that the model does not, as {strange[0]}")
    moved = [token for number, token in enumerate(vocabulary) if tokenizer.token_to_id(token) not in (None, number)]
    if moved:
        raise ModelDirectoryError(f"the token {moved[0]} has another id in the model: the tokenizer is another model's")
    for text in _TEXTS:
        back = tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids)
        if back != text:
            raise ModelDirectoryError(f"the tokenizer gives back {back!r} for {text!r}")
    return f"{len(_TEXTS)} texts come back as they were"


def _template(directory: ModelDirectory) -> str:
    template, tokenizer = _chat_template(directory)
    prompt = template.tokenize([_USER])
    if _USER["content"] not in tokenizer.decode(prompt):
        raise ModelDirectoryError("the chat template leaves out what the user says")
    note = ""
    try:
        template.tokenize([_SYSTEM, _USER])
    except TemplateRefusal:
        note = "; it takes no system turn"
    return f"a question has {len(prompt)} tokens{note}"


def _generation(directory: ModelDirectory) -> str:
    template, tokenizer = _chat_template(directory)
    vocabulary = _vocabulary(directory)
    prompt = [vocabulary[number] for number in template.tokenize([_USER])]
    generator = ctranslate2.Generator(str(directory.path), device="cpu", intra_threads=1)
    logits = generator.forward_batch([prompt[-min(len(prompt), 64) :]], return_log_probs=False)
    if not np.isfinite(np.asarray(logits)).all():
        raise ModelDirectoryError("the model computes numbers that are not finite")
    (result,) = generator.generate_batch(
        [prompt], max_length=SMOKE_TOKENS, sampling_topk=1, include_prompt_in_result=False, return_scores=True
    )
    if not result.sequences_ids[0] or not math.isfinite(result.scores[0]):
        raise ModelDirectoryError("the model generates nothing")
    return f"{len(result.sequences_ids[0])} tokens: {tokenizer.decode(result.sequences_ids[0])!r}"


def _chat_template(directory: ModelDirectory) -> tuple[ChatTemplate, Tokenizer]:
    manifest, tokenizer = directory.manifest, Tokenizer.from_file(str(directory.file(TOKENIZER)))
    source = directory.file(CHAT_TEMPLATE).read_text(encoding="utf-8")
    return ChatTemplate(source, tokenizer, bos_token=manifest.bos_token, eos_token=manifest.stop_tokens[0]), tokenizer


def _vocabulary(directory: ModelDirectory) -> list[str]:
    tokens = json.loads(directory.file(VOCABULARY).read_bytes())
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ModelDirectoryError(f"{VOCABULARY} is no list of tokens")
    return tokens
