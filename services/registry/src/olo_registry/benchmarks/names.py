"""The parts of a model's name. Sources spell one model in many ways, and many models nearly alike.

What tells models apart (size, version, date, context window, training) is read into parts that are compared one by one;
what does not (owner, quantisation, file format, serving suffix) is dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OWNERS: Final = _words(
    """ai21 alibaba allenai amazon anthropic baidu bigcode cohere cohereforai coherelabs databricks deepseek-ai
    eleutherai facebook google huggingface huggingfaceh4 ibm ibm-granite inflection lmsys meta meta-llama
    microsoft mistralai moonshotai mosaicml nousresearch nvidia openai perplexity qwen teknium thudm tiiuae
    togethercomputer unsloth upstage x-ai xai z-ai zai-org thebloke bartowski lmstudio-community"""
)
_DROPPED: Final = _words(
    """latest free extended hf c4ai api online nitro floor fast gguf ggml gptq awq exl2 exl3 mlx onnx ct2 safetensors
    int4 int8 fp4 fp8 fp16 bf16 f16 f32 fp32 nf4 w4a16 w8a8 imatrix dwq qat 2bit 3bit 4bit 5bit 6bit 8bit bnb bit"""
)
_QUANTISED: Final = re.compile(r"i?q\d(_[a-z0-9]+)*|q\dk[sml]?")
_INSTRUCT: Final = frozenset({"instruct", "chat", "it", "inst"})
_BASE: Final = frozenset({"base", "pt", "pretrained"})
_PREVIEW: Final = frozenset({"preview", "exp", "experimental", "beta"})

_SIZE: Final = re.compile(r"\d+x\d+(\.\d+)?b|\d+(\.\d+)?[bm]")
_ACTIVE: Final = re.compile(r"a\d+(\.\d+)?b")
_WINDOW: Final = re.compile(r"\d+k|\d+m(?=ctx)")
_DATE: Final = re.compile(r"\d{4}|\d{6}|\d{8}")
_GLUED: Final = re.compile(r"([a-z]{3,})(\d.*)")
_ISO_DATE: Final = re.compile(r"(20\d\d)-(\d\d)-(\d\d)(?=-|$)")
_MONTH_DAY: Final = re.compile(r"(?<=-)([01]\d)-([0-3]\d)(?=-|$)")
_UNDERSCORED: Final = re.compile(r"(?<!q)(\d)_(?=\d)")
_SPLIT_VERSION: Final = re.compile(r"(?<=-)(v?\d)-(\d)(?=-|$)")


@dataclass(frozen=True, slots=True)
class ModelName:
    """A name in parts."""

    words: str
    """The words that name the family and the variant, run together."""
    versions: tuple[str, ...] = ()
    size: str = ""
    """Parameters: `8b`, `8x7b`."""
    active: str = ""
    """Parameters that work on each token: `a3b`."""
    window: str = ""
    """Context window: `128k`."""
    date: str = ""
    tuned: bool | None = None
    """Trained to follow instructions, left as it was, or not said."""
    implied: bool = False
    """That it is tuned is not said, but meant by the way it is spelled."""
    distilled: bool = False
    preview: bool = False


def parse_name(name: str) -> ModelName:
    """The parts of a name as any source spells it."""
    words: list[str] = []
    versions: list[str] = []
    parts = {"size": "", "active": "", "window": "", "date": ""}
    tuned: bool | None = None
    distilled = preview = False
    for token in _tokens(name):
        kind = _kind(token)
        if kind in parts:
            parts[kind] = parts[kind] or token
        elif kind == "version":
            versions.append(_version(token))
        elif token in _INSTRUCT:
            tuned = True
        elif token in _BASE:
            tuned = False
        elif token in _PREVIEW:
            preview = True
        elif token in ("distill", "distilled"):
            distilled = True
        else:
            words.append(token)
    return ModelName(
        words="".join(words),
        versions=tuple(sorted(versions)),
        tuned=tuned,
        implied=tuned is None and _tagged(name),
        distilled=distilled,
        preview=preview,
        **parts,
    )


def _tagged(name: str) -> bool:
    """Ollama's spelling, `llama3.1:8b`, which means the tuned model unless the tag says otherwise."""
    family, colon, tag = name.lower().rpartition(":")
    return bool(colon and family and re.match(r"latest|\d|instruct|chat", tag)) and " " not in name


def _tokens(name: str) -> list[str]:
    text = name.strip().lower().replace("+", "-plus-")
    # `Meta: Llama 3.1`: the owner stands before a colon and a space.
    text = text.partition(": ")[2] or text
    text = _UNDERSCORED.sub(r"\1.", text)
    owner, _, rest = text.rpartition("/")
    text = re.sub(r"[\s:()\[\],@/-]+", "-", rest if owner else text).strip("-")
    text = _ISO_DATE.sub(r"\1\2\3", text)
    text = _MONTH_DAY.sub(r"\1\2", text)
    text = _SPLIT_VERSION.sub(r"\1.\2", text)
    tokens: list[str] = []
    for token in text.split("-"):
        tokens += _split(token)
    kept = [token for token in tokens if token and token not in _DROPPED and not _QUANTISED.fullmatch(token)]
    return _without_owner(kept)


def _split(token: str) -> list[str]:
    if _QUANTISED.fullmatch(token) or token in _DROPPED:
        return []
    if "_" in token:
        return [part for piece in token.split("_") for part in _split(piece)]
    glued = _GLUED.fullmatch(token)
    return [glued[1], glued[2]] if glued else [token]


def _without_owner(tokens: list[str]) -> list[str]:
    # `qwen`, `deepseek` and `mistral` own and name models: an owner is dropped only where another word follows.
    for length in (2, 1):
        owner, rest = "-".join(tokens[:length]), tokens[length:]
        if owner in _OWNERS and any(_kind(token) == "word" for token in rest[:1]):
            return rest
    return tokens


def _kind(token: str) -> str:
    for kind, pattern in (("size", _SIZE), ("active", _ACTIVE), ("window", _WINDOW)):
        if pattern.fullmatch(token):
            return kind
    if _DATE.fullmatch(token):
        return "date"
    return "version" if any(character.isdigit() for character in token) else "word"


def _version(token: str) -> str:
    plain = token[1:] if re.fullmatch(r"v\d.*", token) else token
    return plain[:-2] if re.fullmatch(r"\d+\.0", plain) else plain
