# ruff: noqa: E501, SIM905 - word lists are read most easily as text.
"""Everyday facts out of `frames.txt`: each with the questions that it answers and some that it nearly answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from grammar import COLOURS, DAYS, MONTHS, POWERS, Fact, Words, capital
from questions import STOP, stem

_LISTS = {
    "place1": "yard,cellar,hall,kitchen,gate,attic,square,bridge,garden,tower,canteen,chapel,shed,meadow,pier,lobby,gym",
    "material": "oak,steel,sandstone,granite,brick,glass,copper,pine,concrete,clay,marble,bamboo,iron,straw,slate,leather",
    "disaster": "flood,fire,storm,earthquake,landslide,war,avalanche,hurricane,plague,explosion",
    "crop": "wheat,barley,lavender,roses,cherries,plums,grapes,potatoes,onions,tulips,mint,olives,hops,pears,beans,pumpkins",
    "animal": "cats,horses,goats,otters,bats,owls,storks,hedgehogs,beavers,salmon,geese,foxes,turtles,ants,frogs,wolves",
    "food": "soup,cheese,rice,ham,honey,pasta,butter,jam,porridge,sausage,chocolate,pudding,beef,cabbage,trout,pancakes",
    "liquid": "milk,vinegar,oil,cold water,lemon juice,beer,coffee,cider,soap,alcohol,cocoa,wine",
    "spice": "pepper,cinnamon,salt,ginger,nutmeg,saffron,thyme,garlic,paprika,cloves",
    "container": "glass jar,wooden box,paper bag,clay pot,tin,linen sack,metal can,plastic bowl",
    "weather": "rainy,foggy,stormy,windy,snowy,hot,icy,cloudy,cold",
    "state": "locked,empty,broken,blocked,full,worn out,switched off,damaged,frozen,dirty,out of order,overloaded,closed",
    "organ": "eyes,teeth,ears,wings,whiskers,claws,a tail,a nose,feathers,gills",
    "bare": "hear,swim,fly,climb,smell,bite,jump,dig,see colours,sing",
    "subject": "law,physics,history,botany,Latin,painting,geology,chemistry,music,engineering,navigation,medicine,logic",
    "event": "fair,race,concert,contest,market,feast,parade,lottery,exhibition,dance,tournament,play,auction,picnic",
    "symptom": "headache,fever,cough,rash,pain in the back,swelling,tiredness",
    "craft": "satellite,capsule,schooner,submarine,balloon,airship,rover,yacht,barge,steamer",
    "vehicle": "bikes,scooters,prams,sledges,canoes,skateboards,wheelchairs,rowing boats",
    "language": "Dutch,Welsh,Finnish,Greek,Polish,Swahili,Basque,Danish,Hindi,Turkish",
    "period": "day,week,month,year",
    "ordinal": "first,third,fifth,tenth,twelfth,fifteenth,twentieth",
    "power": ",".join(POWERS),
    "colour": ",".join(COLOURS),
    "day": ",".join(DAYS),
    "month": ",".join(MONTHS),
}
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ONES = "one two three four five six seven eight nine".split()
# What kind of slot a question asks for; the first that matches decides.
_ASKED: tuple[tuple[str, str], ...] = (
    (r"^(Who|Whom|To whom|From whom|After whom|Whose)\b", "person agent jobs job noun"),
    (r"colour", "colour"),
    (r"^(When|By when|Until|Since when|At what time|What is the deadline)\b", "year date clock day month span ordinal period"),
    (r"which day|which month|which days|What are the opening", "day month clock"),
    (r"^(How long|For how long|How soon|How quickly|How early|How old|What is the age)\b", "span length clock year number small"),
    (r"^How often", "span small period"),
    (r"^How (many|large|big|fast)|What is the (capacity|limit|area|size)", "number small length weight money"),
    (r"^(How much|What do .* pay|What does .* cost|How high is the|At wh\w+ temp|How hot)", "money weight number small free"),
    (r"^(How (tall|high|deep|wide|thick|heavy|far)|What is the (height|depth|width|weight|length))",
     "length weight number name"),
    (r"^(Where|From where|To where)\b", "place place1 name thing thing2 agent container"),
    (r"^Why\b", "because"),
)  # fmt: skip
_BECAUSE = r"because|so that|[Ss]ince|serves|in order|luck|owes|proud|pride|know|name|after|bears|too loud|used to"
# Near misses that may be answered all the same: yes or no, and questions for anything at all.
_OPEN = r"(Is|Are|May|Do|Does|Can|How can|How do|What (is|happens|must|should|if))\b"
_FREE = r"free|no charge|Nobody has to pay|pay nothing|paid double|pay half"


def number_words(rng: Random) -> str:
    """Return a number of 13 to 9900, spelt out."""
    roll = rng.random()
    tens = rng.choice(_TENS) + rng.choice(["", "", *(f"-{one}" for one in _ONES)])
    if roll < 0.5:
        return tens
    return f"{rng.choice(_ONES)} {rng.choice(['hundred', 'thousand'])}" + (f" and {tens}" if roll < 0.75 else "")


def plural(noun: str) -> str:
    """Return the regular plural of a noun."""
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + ("es" if re.search(r"(s|x|z|ch|sh)$", noun) else "s")


class Values(dict[str, str]):
    """The values of the slots of one fact, drawn when they are first needed; `{Thing}` is `{thing}` capitalised."""

    def __init__(self, words: Words) -> None:
        super().__init__()
        self.words = words

    def __missing__(self, slot: str) -> str:
        value = capital(self[slot[:1].lower() + slot[1:]]) if slot[:1].isupper() else self._draw(slot)
        self[slot] = value
        return value

    def _draw(self, slot: str) -> str:
        words, rng, lexicon = self.words, self.words.rng, self.words.lexicon
        kind = slot.rstrip("2")
        if slot in ("third", "past", "verb"):
            forms = rng.choice(lexicon["verbs"][:600])
            self.update(verb=forms[0], third=forms[1], past=forms[3])
            return self[slot]
        if kind == "things":
            return plural(self[slot.replace("things", "thing")])
        if kind == "jobs":
            return plural(self["job"])
        if kind in _LISTS:
            return rng.choice(_LISTS[kind].split(","))
        drawn = {
            "thing": lambda: rng.choice(lexicon["things"][:700]),
            "job": lambda: rng.choice(lexicon["people"][:400]),
            "noun": lambda: words.noun_phrase("things"),
            "adj": lambda: rng.choice(lexicon["adjectives"][:700]),
            "number": lambda: rng.choice([str(rng.randint(3, 990)), f"{rng.randint(1, 60)},{rng.randint(100, 999)}",
                                          number_words(rng), number_words(rng)]),
            "num": lambda: str(rng.randint(2, 999)),
            "money": lambda: f"{rng.choice([words.small(), number_words(rng), str(rng.randint(2, 90))])} "
            + rng.choice("euros,pounds,dollars,francs,marks,coins,cents,shillings".split(",")),
            "length": lambda: f"{rng.choice([words.small(), number_words(rng), str(rng.randint(2, 900))])} "
            + rng.choice("metres,kilometres,feet,miles,centimetres,yards".split(",")),
            "weight": lambda: f"{rng.choice([words.small(), number_words(rng), str(rng.randint(2, 900))])} "
            + rng.choice("tonnes,kilograms,pounds,grams".split(",")),
        }  # fmt: skip
        return drawn[kind]() if kind in drawn else str(getattr(words, kind)())


def _slots(template: str) -> set[str]:
    return {s.lower() for s in re.findall(r"{(\w+)}", template)} - {"e"}


def _kinds(slots: Iterable[str]) -> set[str]:
    return {s.rstrip("2").replace("things", "thing").replace("jobs", "job") for s in slots}


def _content(template: str) -> set[str]:
    plain = re.sub(r"{\w+}s?", " ", template)
    return {stem(w) for w in re.findall(r"[A-Za-z]+", plain) if w.lower() not in STOP} | {
        "{" + s + "}" for s in _kinds(_slots(template))
    }


def _answers(statement: str, question: str) -> set[str] | None:
    """Return the kinds of slots by which a statement may answer a question, or None if it cannot."""
    free = _kinds(_slots(statement) - _slots(question))
    for pattern, kinds in _ASKED:
        if re.search(pattern, question):
            found = free & set(kinds.split())
            said_so = _BECAUSE if kinds == "because" else _FREE if "free" in kinds else None
            if said_so and re.search(said_so, statement):
                found.add("word")
            return found or None
    return {"any"}


@dataclass(frozen=True)
class Frame:
    """Ways to say something, each with the questions that it answers and those that it only seems to answer."""

    name: str
    ways: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]
    questions: tuple[str, ...]


def frame(line: str) -> Frame:
    """Read one line of `frames.txt` and find out which statement answers which question."""
    name, _, rest = line.partition(":")
    alike = name.endswith("=")
    said, _, asked = rest.partition("=>")
    statements = [s.strip() for s in said.split(" | ")]
    pinned = [re.fullmatch(r"(?:(\d+): )?(.+)", q.strip()) for q in asked.split(" | ")]
    questions = {m[2]: m[1] for m in pinned if m}
    fits: dict[str, list[str]] = {s: [] for s in statements}
    misses: dict[str, list[str]] = {s: [] for s in statements}
    for question, pins in questions.items():
        usable = [s for s in statements if _slots(question) <= _slots(s)]
        able = {s: kinds for s in usable if (kinds := _answers(s, question))}
        shared = {s: len(_content(s) & _content(question)) for s in able}
        best = max(shared.values(), default=0)
        wanted: set[str] = set().union(*(able[s] for s in able if shared[s] == best)) if able else set()
        for statement in usable:
            kinds = able.get(statement, set())
            if pins:
                fit = str(statements.index(statement) + 1) in pins
            else:
                fit = bool(kinds & wanted) and (shared[statement] == best or (alike and "any" not in kinds))
            if fit:
                fits[statement].append(question)
            elif not alike and not re.match(_OPEN, question):  # What says the same may answer it too.
                misses[statement].append(question)
    ways = tuple((s, tuple(fits[s]), tuple(misses[s])) for s in statements if fits[s])
    return Frame(name.rstrip("="), ways, tuple(questions))


def frames() -> list[Frame]:
    """Read all frames."""
    lines = Path(__file__).with_name("frames.txt").read_text().splitlines()
    return [frame(line) for line in lines if line and not line.startswith("#")]


def frame_fact(words: Words, chosen: Frame, full: str, short: str | None = None) -> Fact:
    """State something about the thing `full`, written as `short` in the sentence if that is given."""
    statement, asked, missed = words.rng.choice(chosen.ways)
    values = Values(words)
    used = short or full
    values.update(e=used, E=capital(used))
    sentence = capital(statement.format_map(values))
    values.update(e=full, E=capital(full))
    return Fact(
        sentence,
        tuple(q.format_map(values) for q in asked),
        full,
        chosen.name,
        tuple(q.format_map(values) for q in missed),
        values.get("thing", ""),
    )


def frame_question(words: Words, chosen: Frame, subject: str, thing: str) -> str:
    """Ask for something about a subject; `thing`, if any, is what the question speaks of, else it is drawn."""
    values = Values(words)
    values.update(e=subject, E=capital(subject))
    if thing:
        values["thing"] = thing
    return words.rng.choice(chosen.questions).format_map(values)
