"""Read the texts and the word lists of the training data out of unpacked Debian packages."""

from __future__ import annotations

import argparse
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TypedDict

DOCUMENT_GLOBS = (
    "usr/share/doc/python3.11/html/**/*.html",
    "usr/share/doc/postgresql-doc-15/html/*.html",
    "usr/share/doc/debian-handbook/html/en-US/*.html",
)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'])")
_SKIPPED = {"script", "style", "pre", "nav", "head", "table"}
_BLOCKS = {"p", "li", "dd", "h1", "h2", "h3", "td", "div"}
_PLAIN = str.maketrans({"¶": "", "“": '"', "”": '"', "’": "'", "–": "-", "—": "-", "\N{NO-BREAK SPACE}": " "})
_PRONOUNS = frozenset(
    ("i", "you", "he", "she", "it", "we", "they", "who", "what", "this", "that", "one", "someone", "something")
)


class Lexicon(TypedDict):
    """Frequent words of WordNet, by the part that they can play in a made sentence."""

    things: list[str]
    places: list[str]
    people: list[str]
    groups: list[str]
    verbs: list[list[str]]  # base, third person, past, participle, -ing form
    adjectives: list[str]
    synonyms: dict[str, list[str]]


class Corpus(TypedDict):
    """Paragraphs as lists of sentences, split by a hash of their text, and the lexicon."""

    train: list[list[str]]
    heldout: list[list[str]]
    lexicon: Lexicon


class _Paragraphs(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._skipping = 0
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skipping += tag in _SKIPPED
        if tag in _BLOCKS:
            self.flush()

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED and self._skipping:
            self._skipping -= 1
        if tag in _BLOCKS:
            self.flush()

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self._text.append(data)

    def flush(self) -> None:
        text = " ".join("".join(self._text).split())
        self._text = []
        if text:
            self.found.append(text)


def is_sentence(text: str) -> bool:
    """Say whether a text is a plain English sentence of 5 to 34 words, without code or markup."""
    words = text.split()
    if not (5 <= len(words) <= 34 and text[0].isupper() and text[-1] in ".!" and text.isascii()):
        return False
    return sum(c.isalpha() or c == " " for c in text) / len(text) > 0.86


def document_paragraphs(root: Path) -> Iterator[list[str]]:
    """Yield the paragraphs of the manuals below `root`, each a list of its usable sentences."""
    for pattern in DOCUMENT_GLOBS:
        for path in sorted(root.glob(pattern)):
            parser = _Paragraphs()
            parser.feed(path.read_text(errors="ignore"))
            parser.flush()
            for paragraph in parser.found:
                sentences = [s.strip() for s in _SENTENCE_END.split(paragraph.translate(_PLAIN))]
                if kept := [s for s in sentences if s and is_sentence(s)]:
                    yield kept


def gloss_sentences(root: Path) -> Iterator[list[str]]:
    """Yield one-sentence paragraphs from WordNet: a definition of a noun, or an example of use."""
    for part in ("noun", "verb", "adj", "adv"):
        for words, gloss, _ in _synsets(root, part):
            definition = re.sub(r"^\([^)]*\)\s*", "", gloss.split(";")[0].strip())
            if part == "noun" and 3 <= len(definition.split()) <= 25:
                article = "" if words[0][0].isupper() else _article(words[0]) + " "
                yield [_capital(f"{article}{words[0]} is {definition}.")]
            for example in re.findall(r'"([^"]+)"', gloss):
                sentence = _capital(example.strip())
                sentence += "" if sentence.endswith((".", "!", "?")) else "."
                if is_sentence(sentence):
                    yield [sentence]


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _synsets(root: Path, part: str) -> Iterator[tuple[list[str], str, list[str]]]:
    for line in (root / f"usr/share/wordnet/data.{part}").read_text().splitlines():
        if line.startswith("  "):
            continue
        head, _, gloss = line.partition("|")
        fields = head.split()
        count = int(fields[3], 16)
        words = [re.sub(r"\(.*?\)", "", fields[4 + 2 * i]).replace("_", " ") for i in range(count)]
        if gloss.isascii():
            yield words, gloss.strip(), fields


def _forms(verb: str, irregular: dict[str, list[str]]) -> list[str]:
    doubles = re.fullmatch(r"[^aeiou]*[aeiou][bdgmnprt]", verb) is not None
    stem = verb + verb[-1] if doubles else verb
    soft = re.search(r"[^aeiou]y$", verb)
    third = verb[:-1] + "ies" if soft else verb + ("es" if re.search(r"(s|x|z|ch|sh|o)$", verb) else "s")
    past = verb[:-1] + "ied" if soft else verb + "d" if verb.endswith("e") else stem + "ed"
    ing = verb[:-1] + "ing" if verb.endswith("e") and not verb.endswith(("ee", "ye", "oe")) else stem + "ing"
    odd = [w for w in irregular.get(verb, []) if not w.endswith(("ing", "s"))]
    participle = next((w for w in odd if w.endswith("n")), odd[-1] if odd else past)
    simple = next((w for w in odd if w != participle), odd[0] if odd and not odd[0].endswith("n") else past)
    return [verb, third, simple, participle, ing]


def lexicon(root: Path, limit: int = 1500) -> Lexicon:
    """Choose frequent one-word nouns by kind, transitive verbs with their forms, and synonyms."""
    base = root / "usr/share/wordnet"
    counts: Counter[tuple[str, str]] = Counter()
    fields_of: dict[str, Counter[str]] = {}
    for line in (base / "cntlist.rev").read_text().splitlines():
        key, _, seen = line.split()[:3]
        lemma, _, sense = key.partition("%")
        counts[lemma, sense[0]] += int(seen)
        if sense[0] == "1":
            fields_of.setdefault(lemma, Counter())[sense[2:4]] += int(seen)
    dominant = {lemma: counter.most_common(1)[0] for lemma, counter in fields_of.items()}
    irregular: dict[str, list[str]] = {}
    for line in (base / "verb.exc").read_text().splitlines():
        form, lemma = line.split()[:2]
        irregular.setdefault(lemma, []).append(form)
    synonyms: dict[str, list[str]] = {}
    seen_in: dict[str, Counter[str]] = {name: Counter() for name in ("things", "places", "people", "groups")}
    kinds = {"06": "things", "13": "things", "15": "places", "18": "people", "14": "groups"}
    transitive: Counter[str] = Counter()
    adjectives: Counter[str] = Counter()
    for part, code in (("noun", "1"), ("verb", "2"), ("adj", "3")):
        for words, _, fields in _synsets(base.parent.parent.parent, part):
            plain = [w for w in words if w.isalpha() and w.islower() and len(w) > 2 and w not in _PRONOUNS]
            known = [w for w in plain if counts[w, code] >= 2]
            for word in plain:
                synonyms.setdefault(word, []).extend(w for w in known if w != word)
            if part == "noun" and fields[1] in kinds:
                fit = [w for w in known if not w.endswith("s") and dominant.get(w, ("", 0))[0] == fields[1]]
                seen_in[kinds[fields[1]]].update({w: dominant[w][1] for w in fit})
            elif part == "verb" and re.search(r"\+ (08|11) 00", " ".join(fields)):
                transitive.update({w: counts[w, code] for w in known})
            elif part == "adj":
                adjectives.update({w: counts[w, code] for w in known})
    nouns = {name: [w for w, _ in counter.most_common(limit)] for name, counter in seen_in.items()}
    skipped = {"be", "have", "do", "get", "let", "can", "will", "may", "make"}
    return Lexicon(
        things=nouns["things"],
        places=nouns["places"],
        people=nouns["people"],
        groups=nouns["groups"],
        verbs=[_forms(w, irregular) for w, _ in transitive.most_common(limit) if w not in skipped],
        adjectives=[w for w, _ in adjectives.most_common(limit)],
        synonyms={w: sorted(set(s))[:6] for w, s in synonyms.items() if s and counts[w, "1"] + counts[w, "2"] > 1},
    )


def build(root: Path) -> Corpus:
    """Build the whole corpus; a twentieth of the paragraphs is held out by a hash of the text."""
    corpus = Corpus(train=[], heldout=[], lexicon=lexicon(root))
    for source in (document_paragraphs(root), gloss_sentences(root)):
        for paragraph in source:
            held = zlib.crc32(" ".join(paragraph).encode()) % 20 == 0
            corpus["heldout" if held else "train"].append(paragraph)
    return corpus


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder into which the packages were unpacked (dpkg -x)")
    parser.add_argument("output", type=Path, help="the JSON file to write")
    options = parser.parse_args()
    corpus = build(options.root)
    options.output.write_text(json.dumps(corpus))
    print({"train": len(corpus["train"]), "heldout": len(corpus["heldout"]), "verbs": len(corpus["lexicon"]["verbs"])})


if __name__ == "__main__":
    main()
