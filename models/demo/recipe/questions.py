# ruff: noqa: E501, SIM905 - patterns and word lists are read most easily as text.
"""Turn a sentence of a real text into a question that it answers, in several natural ways."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

STOP = frozenset(
    "a an the of to in is are was were be been by for with on at as it its this that these those and or not if can may "
    "will which from has have had do does did you your i he she they we their his her there when where what who how "
    "than then also any all each such into but so only one some no more most other must should would could about over "
    "under between during after before s t".split()
)
_BE = "is|are|was|were"
_MODAL = "can|must|should|may|will|could|would|cannot"
_DETERMINED = r"(?:The|A|An|This|Each|Every|Any|All|Some|Most) (?:[\w-]+ ){0,3}?[\w-]+"
_OPENERS = (
    "What about {k}?|Tell me about {k}.|What does the text say about {k}?|What is said about {k}?|What do we know about "
    "{k}?|Explain {k}.|Is there anything about {k}?|How does {k}?|Why {k}?|When {k}?|How can I {k}?|Who {k}?|What "
    "happens with {k}?|How often {k}?|How long {k}?|How many {k}?|Where {k}?|Which {k}?|What should I do about {k}?|"
    "What {k}?|How do I {k}?|Can I {k}?|What kind of {k}?|When does {k}?|Who is {k}?|What is the {k}?|Where is {k}?"
).split("|")


def content_words(sentence: str) -> list[str]:
    """Return the words of a sentence that carry its meaning, in order."""
    return [w for w in re.findall(r"[A-Za-z0-9][\w'-]*", sentence) if w.lower() not in STOP and len(w) > 2]


def stem(word: str) -> str:
    """Return the letters that inflected forms of a word have in common, roughly."""
    word = word.lower()
    return re.sub(r"(ies|ied|ing|ed|es|s|ly|e|y|er)$", "", word) if len(word) > 4 else word.rstrip("s")


def base_form(word: str) -> str:
    """Return a rough base form of a third person verb or a plural noun."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(ss|x|z|ch|sh)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def inflect(word: str, rng: Random) -> str:
    """Return the word in another form of the same stem, as a person who asks would write it."""
    if len(word) < 5 or not word.islower():
        return word
    for ending, others in (
        ("ation", ["ate", "e", ""]),
        ("ment", [""]),
        ("ies", ["y"]),
        ("ied", ["y", "ies"]),
        ("ing", ["", "e", "ed"]),
        ("ed", ["", "e", "ing"]),
        ("ly", [""]),
        ("er", ["", "e"]),
        ("s", [""]),
        ("e", ["ing", "es", "ed"]),
        ("y", ["ies"]),
        ("", ["s", "ing", "ed"]),
    ):
        if word.endswith(ending) and not word.endswith("ss"):
            return word[: len(word) - len(ending)] + rng.choice(others)
    return word


def _lower(text: str) -> str:
    return text if text.startswith("I ") or text[1:2].isupper() else text[:1].lower() + text[1:]


def _copula(sentence: str, rng: Random) -> str | None:
    match = re.match(rf"((?:[\w'-]+ ){{1,6}})({_BE}) (.+)[.!]$", sentence)
    if match is None:
        return None
    subject, be, rest = _lower(match[1].strip()), match[2], match[3]
    if subject.lower() in ("it", "this", "there", "he", "she", "they", "that", "these"):
        return None
    participle = re.match(r"(?:also |only |usually |not )?(\w+ed|\w+en|built|made|kept|set|sent|held)\b(.*)", rest)
    if participle:
        tail = " ".join(participle[2].split()[: rng.choice([0, 2, 4])])
        opener = rng.choice(["When", "How", "Why", "Where"])
        return f"{opener} {be} {subject} {participle[1]} {tail}".strip() + "?"
    bare = re.sub(r"^(a|an|the) ", "", subject)
    if match[1].split()[0] in ("A", "An") and rng.random() < 0.4:
        words = rest.split()
        hint = " ".join(words[: rng.randint(3, 7)])
        return rng.choice([f"What do you call {hint}?", f"What is {hint} called?", f"Which word means {hint}?"])
    return rng.choice(
        [
            f"What {be} {subject}?",
            f"What {be} {subject}?",
            f"What does {bare} mean?",
            f"Define {bare}.",
            f"what {be} {bare}",
        ]
    )


def _modal(sentence: str, rng: Random) -> str | None:
    match = re.match(rf"((?:[\w'-]+ ){{1,6}})({_MODAL}) (?:also |only |not )?((?:be )?[\w-]+)(.*)[.!]$", sentence)
    if match is None:
        return None
    subject, modal, verb = _lower(match[1].strip()), match[2].replace("cannot", "can"), match[3]
    rest = match[4].strip()
    some = " ".join(rest.split()[: rng.randint(1, 5)])
    if subject == "you":
        return rng.choice(
            [f"How {modal} I {verb} {some}?", f"What {modal} I {verb}?", f"When {modal} I {verb} {some}?"]
        )
    return rng.choice(
        [f"What {modal} {subject} {verb}?", f"{modal.capitalize()} {subject} {verb} {some}?", f"How {modal} {subject} {verb}?",
         f"What {modal} {verb} {some}?", f"Why {modal} {subject} {verb} {some}?"]
    )  # fmt: skip


def _condition(sentence: str, rng: Random) -> str | None:
    match = re.match(r"(?:If|When) ([^,]{8,90}), (.+)[.!]$", sentence) or re.search(
        r" (?:if|when) ([^,.]{8,90})()[.!]$", sentence
    )
    if match is None:
        return None
    condition = match[1].replace("you ", "I ")
    return rng.choice(
        [
            f"What happens if {condition}?",
            f"What should I do if {condition}?",
            f"What happens when {condition}?",
            f"What if {condition}?",
        ]
    )


def _reason(sentence: str, rng: Random) -> str | None:
    match = re.match(rf"(.{{4,50}}?) ({_BE}) ([^,]{{4,60}}?),? (?:because|since|so that|in order to) ", sentence)
    if match:
        return f"Why {match[2]} {_lower(match[1])} {match[3]}?"
    match = re.match(r"(.{6,70}?),? because ", sentence)
    return f"Why {rng.choice(['does ', 'did ', ''])}{_lower(match[1])}?" if match else None


def _purpose(sentence: str, rng: Random) -> str | None:
    match = re.search(r"\b[Tt]o ([a-z]+(?: [\w'-]+){1,6})", sentence)
    if match is None or match[1].split()[0] in STOP:
        return None
    words = match[1].split()
    goal = " ".join(words[: rng.randint(2, 7)])
    return rng.choice(
        [
            f"How do I {goal}?",
            f"How can I {goal}?",
            f"What do I need to {goal}?",
            f"How to {goal}?",
            f"What is used to {goal}?",
        ]
    )


def _verb(sentence: str, rng: Random) -> str | None:
    match = re.match(rf"({_DETERMINED}) ([a-z]{{3,}}s) (.+)[.!]$", sentence)
    if match is None or match[2].endswith("ss") or match[2] in STOP:
        return None
    subject, third, rest = _lower(match[1]), match[2], match[3].split()
    some = " ".join(rest[: rng.randint(1, 6)])
    return rng.choice(
        [f"What does {subject} {base_form(third)}?", f"What {third} {some}?", f"Which one {third} {some}?",
         f"When does {subject} {base_form(third)} {some}?", f"How does {subject} {base_form(third)} {some}?"]
    )  # fmt: skip


def _span(sentence: str, rng: Random) -> str | None:
    words = sentence.rstrip(".!").split()
    size = rng.randint(2, 6)
    if len(words) <= size:
        return None
    start = rng.randint(0, len(words) - size)
    chunk = words[start : start + size]
    if not content_words(" ".join(chunk)):
        return None
    return rng.choice(_OPENERS).format(k=_lower(" ".join(chunk)).strip(",;:()"))


def _keywords(sentence: str, rng: Random) -> str | None:
    words = content_words(sentence)
    if len(words) < 2:
        return None
    chosen = sorted(rng.sample(range(len(words)), min(len(words), rng.choice([2, 2, 3, 3, 4]))))
    out = []
    for index in chosen:
        word = words[index] if rng.random() < 0.5 else inflect(words[index].lower(), rng)
        out.append(
            f"{rng.choice(['the', 'a', 'of', 'in', 'for', 'to', 'with'])} {word}" if rng.random() < 0.4 else word
        )
    return rng.choice(_OPENERS).format(k=" ".join(out))


_MAKERS: tuple[Callable[[str, Random], str | None], ...] = (
    _copula,
    _modal,
    _condition,
    _reason,
    _purpose,
    _verb,
    _keywords,
    _span,
)


def question_for(sentence: str, rng: Random) -> str | None:
    """Return a question that the sentence answers, or nothing if it has too few words of meaning."""
    natural = [q for make in _MAKERS[:-2] if (q := make(sentence, rng))]
    if natural and rng.random() < 0.7:
        return rng.choice(natural)
    return (_keywords if rng.random() < 0.6 else _span)(sentence, rng)


def roughen(question: str, rng: Random, synonyms: dict[str, list[str]], rate: float = 0.07) -> str:
    """Rewrite some words by synonyms or other forms, and the whole as people type it."""
    words = question.split()
    for index, word in enumerate(words[1:], start=1):
        plain = word.strip("?.,")
        if plain.islower() and plain not in STOP and rng.random() < rate:
            other = rng.choice(synonyms[plain]) if plain in synonyms and rng.random() < 0.6 else inflect(plain, rng)
            words[index] = word.replace(plain, other)
    text = " ".join(words)
    if rng.random() < 0.05:
        text = (
            rng.choice(["Can you tell me: ", "Please tell me, ", "Hello, ", "I wonder, "]) + text[:1].lower() + text[1:]
        )
    if rng.random() < 0.08:
        text = text.lower()
    return text.rstrip("?") if rng.random() < 0.07 else text
