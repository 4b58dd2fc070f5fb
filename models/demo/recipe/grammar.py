# ruff: noqa: E501, SIM905 - one relation is one row, and word lists are read most easily as text.
"""Made-up facts: sentences about invented things, each with the questions that it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from corpus import Lexicon

MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
NUMBERS = "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty sixty ninety".split()
UNITS = "people guests boxes books pages litres bottles tonnes metres beds seats tables visitors members lamps".split()
COLOURS = "red blue green yellow black white orange purple grey silver golden brown pink".split()
POWERS = "diesel,steam,solar power,wind,hydrogen,natural gas,batteries,electricity,coal,kerosene,wood".split(",")
KINDS = (
    "station bridge museum river engine server library valley router pump reactor satellite school island project "
    "festival company ship laboratory telescope lamp printer drone team garden hotel archive cluster sensor service "
    "database harbour mill ferry railway tower market bakery farm observatory theatre clinic camp printer camera oven"
).split()


@dataclass(frozen=True)
class Fact:
    """One sentence and the questions that it answers; `subject` and `relation` say what it is about.

    `missed` are questions that it does not answer, although they seem near; `thing` is a noun that it speaks of.
    """

    sentence: str
    questions: tuple[str, ...]
    subject: str
    relation: str
    missed: tuple[str, ...] = ()
    thing: str = ""


def capital(text: str) -> str:
    """Return the text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


class Words:
    """Draw invented names, values and word groups."""

    _onsets = "b c d f g h j k l m n p r s t v w z br dr kr st tr pl gl th sh ch cl fr gr".split()
    _vowels = "a e i o u ai ea io ou y".split()
    _codas = ("", "n", "r", "l", "s", "x", "m", "th", "ck", "nd", "t", "")
    _endings = "ford ton wick ham berg mere dale vik stad moor by port hall well".split()

    def __init__(self, rng: Random, lexicon: Lexicon) -> None:
        self.rng = rng
        self.lexicon = lexicon

    def name(self) -> str:
        syllables = self.rng.choice([1, 2, 2, 3])
        stem = "".join(self.rng.choice(self._onsets) + self.rng.choice(self._vowels) for _ in range(syllables))
        return (stem + self.rng.choice(self._endings if self.rng.random() < 0.3 else self._codas)).capitalize()

    def person(self) -> str:
        title = self.rng.choice(["", "", "", "Dr ", "Captain ", "Ms ", "Mr "])
        return f"{title}{self.name()} {self.name()}" if not title else f"{title}{self.name()}"

    def number(self) -> str:
        return self.rng.choice([str(self.rng.randint(2, 99)), str(self.rng.randint(100, 9999)), self.small()])

    def small(self) -> str:
        return self.rng.choice(NUMBERS)

    def year(self) -> str:
        return str(self.rng.randint(1500, 2035))

    def date(self) -> str:
        day, month = self.rng.randint(1, 28), self.rng.choice(MONTHS)
        return self.rng.choice([f"{month} {day}, {self.year()}", f"{day} {month}", f"{month} {self.year()}"])

    def clock(self) -> str:
        hour = self.rng.randint(1, 12)
        return self.rng.choice([f"{hour} o'clock", f"{hour}:{self.rng.choice(['15', '30', '45'])}", "noon", "midnight"])

    def span(self) -> str:
        return f"{self.small()} {self.rng.choice(['minutes', 'hours', 'days', 'weeks', 'months', 'years'])}"

    def place(self) -> str:
        if self.rng.random() < 0.5:
            return self.rng.choice(["", "northern ", "the old town of "]) + self.name()
        return self.noun_phrase(self.rng.choice(["places", "things"]))

    def noun_phrase(self, kind: str) -> str:
        noun = self.rng.choice(self.lexicon[kind][:700])  # type: ignore[literal-required]
        roll = self.rng.random()
        if roll < 0.25:
            return f"the {self.rng.choice(self.lexicon['adjectives'][:600])} {noun}"
        if roll < 0.4:
            return f"the {self.rng.choice(self.lexicon['things'][:700])} {noun}"
        return f"the {noun}"

    def agent(self) -> str:
        roll = self.rng.random()
        if roll < 0.2:
            return self.person()
        if roll < 0.3:
            return f"the {self.name()} {self.rng.choice(KINDS)}"
        return self.noun_phrase("groups" if roll < 0.45 else "people")

    def entity(self) -> tuple[str, str]:
        """Return an invented thing and how later sentences may call it."""
        kind = self.rng.choice(KINDS if self.rng.random() < 0.7 else self.lexicon["things"][:500])
        if self.rng.random() < 0.8:
            name = self.name() if self.rng.random() < 0.8 else f"{self.name()}-{self.rng.randint(1, 99)}"
            return f"the {name} {kind}", f"the {kind}"
        return self.name(), "it"


Relation = tuple[str, tuple[str, ...], tuple[str, ...], Callable[[Words], str]]


def _relation(name: str, statements: str, questions: str, value: Callable[[Words], str]) -> Relation:
    return name, tuple(statements.split("|")), tuple(questions.split("|")), value


# {e} is the thing in the middle of a sentence, {E} at its start, {v} the value that is asked for.
RELATIONS: tuple[Relation, ...] = (
    _relation("capital", "The capital of {e} is {v}.|{v} is the capital of {e}.", "What is the capital of {e}?|Which town is the capital of {e}?", Words.name),
    _relation("founder", "{E} was founded by {v}.|{v} founded {e}.|{v} started {e} with two friends.", "Who founded {e}?|Who started {e}?|Who is the founder of {e}?", Words.person),
    _relation("designer", "{E} was designed by {v}.|{v} drew the plans for {e}.|The architect of {e} was {v}.", "Who designed {e}?|Who was the architect of {e}?|Who drew the plans of {e}?", Words.person),
    _relation("built", "{E} was built in {v}.|Construction of {e} was finished in {v}.|Workers completed {e} in {v}.", "When was {e} built?|In which year was {e} completed?|When was the construction of {e} finished?|How old is {e}?", Words.year),
    _relation("opened", "{E} opened in {v}.|{E} was opened to the public on {v}.|{E} first opened its doors on {v}.", "When did {e} open?|When was {e} opened?|Since when has {e} been open?", Words.date),
    _relation("price", "{E} costs {v}.|The price of {e} is {v}.|You pay {v} for {e}.", "How much does {e} cost?|What is the price of {e}?|What do I pay for {e}?|How expensive is {e}?", lambda w: w.number() + w.rng.choice([" dollars", " euros", " pounds", " euros per month", " crowns"])),
    _relation("ticket", "A ticket for {e} costs {v}.|Tickets for {e} are sold for {v}.|Entry to {e} costs {v}.", "How much is a ticket for {e}?|What does a ticket for {e} cost?|How much does it cost to visit {e}?|What is the entry fee of {e}?", lambda w: w.small() + w.rng.choice([" dollars", " euros", " pounds"])),
    _relation("weight", "{E} weighs {v}.|The weight of {e} is {v}.|{E} has a mass of {v}.", "How much does {e} weigh?|How heavy is {e}?|What is the weight of {e}?", lambda w: w.number() + w.rng.choice([" kilograms", " grams", " tonnes", " kg"])),
    _relation("height", "{E} is {v} high.|{E} rises {v} above the ground.|The height of {e} is {v}.", "How high is {e}?|How tall is {e}?|What is the height of {e}?", lambda w: w.number() + w.rng.choice([" metres", " feet"])),
    _relation("length", "{E} is {v} long.|The length of {e} is {v}.|From end to end, {e} measures {v}.", "How long is {e}?|What is the length of {e}?|How many metres long is {e}?", lambda w: w.number() + w.rng.choice([" metres", " kilometres", " miles", " feet"])),
    _relation("depth", "{E} is {v} deep.|{E} reaches a depth of {v}.", "How deep is {e}?|What is the depth of {e}?", lambda w: w.number() + w.rng.choice([" metres", " feet"])),
    _relation("colour", "{E} is painted {v}.|The colour of {e} is {v}.|The walls of {e} are {v}.", "What colour is {e}?|Which colour does {e} have?|In which colour is {e} painted?", lambda w: w.rng.choice(COLOURS)),
    _relation("place", "{E} is located in {v}.|{E} lies in {v}.|{E} stands near {v}.|You can find {e} in {v}.", "Where is {e}?|Where is {e} located?|Where can I find {e}?|Where does {e} stand?", Words.place),
    _relation("leader", "{E} is led by {v}.|{v} leads {e}.|{v} is the head of {e}.|The director of {e} is {v}.|{v} is in charge of {e}.", "Who leads {e}?|Who is in charge of {e}?|Who is the head of {e}?|Who runs {e}?", Words.person),
    _relation("owner", "{E} belongs to {v}.|{v} owns {e}.|The owner of {e} is {v}.", "Who owns {e}?|To whom does {e} belong?|Who is the owner of {e}?", Words.person),
    _relation("repair", "{v} repairs {e}.|Repairs of {e} are done by {v}.|{v} looks after {e}.", "Who repairs {e}?|Who looks after {e}?|Who takes care of {e}?|Who maintains {e}?", Words.agent),
    _relation("port", "{E} listens on port {v}.|The default port of {e} is {v}.", "Which port does {e} use?|What is the default port of {e}?|On which port does {e} listen?", lambda w: str(w.rng.randint(80, 65000))),
    _relation("warranty", "The warranty of {e} lasts {v}.|{E} comes with a warranty of {v}.|{E} is under warranty for {v}.", "How long is the warranty of {e}?|How long does the guarantee of {e} last?", Words.span),
    _relation("capacity", "{E} can carry {v} passengers.|{E} has room for {v} people.|Up to {v} guests fit into {e}.", "How many people fit in {e}?|How many passengers can {e} carry?|How many people does {e} hold?|What is the capacity of {e}?", Words.number),
    _relation("staff", "{E} employs {v} people.|{v} people work at {e}.|The staff of {e} counts {v} people.", "How many people work at {e}?|How many employees does {e} have?|How big is the staff of {e}?", lambda w: capital(w.number())),
    _relation("power", "{E} runs on {v}.|{E} is powered by {v}.|{E} gets its energy from {v}.", "What powers {e}?|What does {e} run on?|Where does {e} get its energy from?|Which fuel does {e} use?", lambda w: w.rng.choice(POWERS)),
    _relation("password", "Passwords for {e} need at least {v} characters.|The password policy of {e} requires {v} characters.", "How long must a password for {e} be?|How many characters does a password of {e} need?", Words.small),
    _relation("speed", "The top speed of {e} is {v}.|{E} reaches a speed of {v}.|{E} travels at {v}.", "How fast is {e}?|What is the top speed of {e}?|How fast does {e} go?", lambda w: w.number() + w.rng.choice([" kilometres per hour", " knots", " miles per hour"])),
    _relation("closed", "{E} is closed on {v}s.|{E} does not open on {v}s.|On {v}s {e} stays shut.", "When is {e} closed?|On which day is {e} closed?|Which day does {e} not open?", lambda w: w.rng.choice(DAYS)),
    _relation("hours", "{E} opens at {v} on weekdays.|The doors of {e} open at {v}.|{E} is open from {v}.", "When does {e} open?|At what time does {e} open?|What time do the doors of {e} open?", Words.clock),
    _relation("shuts", "{E} closes at {v}.|{E} shuts its doors at {v}.|The last visitors must leave {e} by {v}.", "When does {e} close?|At what time does {e} close?|Until when is {e} open?|When must visitors leave {e}?", Words.clock),
    _relation("refund", "Refunds for {e} are paid within {v}.|{E} pays refunds within {v}.", "How long do refunds for {e} take?|When does {e} pay refunds?|How soon will I get my money back from {e}?", Words.span),
    _relation("reset", "To reset {e}, hold the {v} button.|You reset {e} with the {v} button.|Hold the {v} button to restart {e}.", "How do I reset {e}?|How can {e} be restarted?|Which button resets {e}?", lambda w: w.rng.choice(COLOURS)),
    _relation("storage", "{E} stores its data in {v}.|The records of {e} are kept in {v}.", "Where does {e} store its data?|Where are the records of {e} kept?", Words.place),
    _relation("material", "{E} is made of {v}.|{E} was made from {v}.|The walls of {e} are made of {v}.", "What is {e} made of?|From which material is {e} made?|What material was used for {e}?", lambda w: w.rng.choice("oak,steel,stone,granite,brick,glass,copper,pine,concrete,clay,marble,bamboo,iron".split(","))),
    _relation("service", "{E} is inspected every {v}.|Every {v} an engineer checks {e}.|{E} must be serviced every {v}.", "How often is {e} inspected?|How often must {e} be checked?|How often is {e} serviced?", Words.span),
    _relation("contact", "Questions about {e} go to {v}.|For help with {e}, call {v}.|{v} answers questions about {e}.", "Whom do I ask about {e}?|Who can help me with {e}?|Who answers questions about {e}?|Whom should I call about {e}?", Words.agent),
    _relation("fame", "{E} is famous for {v}.|{E} is best known for {v}.|People come to {e} because of {v}.", "What is {e} famous for?|What is {e} known for?|Why do people come to {e}?", lambda w: w.noun_phrase("things")),
    _relation("named", "{E} is named after {v}.|{E} takes its name from {v}.", "After whom is {e} named?|Where does the name of {e} come from?|Who gave {e} its name?", Words.agent),
    _relation("destroyed", "{E} burned down in {v}.|A fire destroyed {e} in {v}.|{E} was lost in a storm in {v}.", "When was {e} destroyed?|When did {e} burn down?|What happened to {e}?", Words.year),
    _relation("memory", "{E} needs {v} of memory.|At least {v} of memory are required for {e}.", "How much memory does {e} need?|What are the memory requirements of {e}?", lambda w: f"{w.small()} gigabytes"),
    _relation("limit", "{E} accepts at most {v} requests per minute.|The limit of {e} is {v} requests per minute.", "How many requests does {e} accept?|What is the request limit of {e}?", Words.number),
    _relation("temperature", "{E} is kept at {v} degrees.|The temperature inside {e} is {v} degrees.", "How warm is it inside {e}?|At which temperature is {e} kept?|What is the temperature of {e}?", lambda w: str(w.rng.randint(2, 300))),
    _relation("visitors", "{E} draws {v} visitors a year.|Every year {v} people visit {e}.", "How many people visit {e}?|How many visitors does {e} have each year?", lambda w: str(w.rng.randint(100, 90000))),
    _relation("distance", "{E} is {v} from the station.|It takes {v} to walk to {e}.|From the station you reach {e} in {v}.", "How far is {e}?|How far is {e} from the station?|How long does it take to reach {e}?", Words.span),
)  # fmt: skip


def relation_fact(words: Words, relation: Relation, full: str, short: str | None = None) -> Fact:
    """State a relation of the thing `full`, written as `short` in the sentence if that is given."""
    name, statements, questions, value = relation
    used = short or full
    sentence = words.rng.choice(statements).format(e=used, E=capital(used), v=value(words))
    return Fact(capital(sentence), tuple(q.format(e=full) for q in questions), full, name)


def event_fact(words: Words, like: Fact | None = None) -> Fact:
    """Make a sentence about someone who does something, with one or two adjuncts, and its questions."""
    rng, lex = words.rng, words.lexicon
    base, third, past, participle, _ = rng.choice(lex["verbs"][:900])
    agent = like.subject if like and rng.random() < 0.6 else words.agent()
    if like and agent != like.subject:
        base, third, past, participle, _ = next((v for v in lex["verbs"] if v[0] == like.relation), lex["verbs"][0])
    thing = words.noun_phrase("things")
    if rng.random() < 0.15:
        thing = f"{words.small()} {rng.choice(UNITS)}"
    other, verb2 = words.noun_phrase("things"), rng.choice(lex["verbs"][:900])
    tense = rng.choice(["past", "past", "present", "must", "can", "may", "should", "will", "cannot", "never"])
    helper = {"past": "did", "present": "does", "cannot": "can", "never": "does"}.get(tense, tense)
    verb = {"past": past, "present": third, "never": f"never {third}"}.get(tense, f"{tense} {base}")
    passive = {"past": f"was {participle}", "present": f"is {participle}", "never": f"is never {participle}"}.get(
        tense, f"{tense} be {participle}"
    )
    slot, adjunct = rng.choice(
        [
            ("When", rng.choice([f"in {words.year()}", f"on {words.date()}", f"at {words.clock()}", f"after {words.span()}"])),
            ("When", rng.choice([f"before {verb2[4]} {other}", f"after {verb2[4]} {other}", f"on {rng.choice(DAYS)}s"])),
            ("Where", f"{rng.choice(['in', 'near', 'behind', 'at', 'under', 'next to'])} {words.place()}"),
            ("Why", rng.choice([f"to {verb2[0]} {other}", f"because {other} is {rng.choice(lex['adjectives'])}"])),
            ("How often", rng.choice([f"every {rng.choice(DAYS)}", "twice a year", "once a week", f"every {words.span()}"])),
            ("How long", f"for {words.span()}"),
            ("How", f"with {rng.choice(['a', 'the'])} {rng.choice(lex['things'][:700])}"),
            ("How", f"by {verb2[4]} {other}"),
            ("", ""),
        ]
    )  # fmt: skip
    tail = f" {adjunct}" if adjunct else ""
    does = f"{agent} {base} {thing}"
    questions = [f"What {helper} {agent} {base}{rng.choice(['', tail])}?"]
    if tense in ("past", "present"):
        questions += [f"Who {verb} {thing}?", f"Which person {verb} {thing}{tail}?"]
    else:
        questions += [f"Who {helper} {base} {thing}?", f"What {helper} {agent} do{tail}?"]
    if slot:
        questions += [f"{slot} {helper} {does}?"] * 2
        be, rest = passive.split(" ", 1)
        questions.append(f"{slot} {be} {thing} {rest}?")
    roll = rng.random()
    if roll < 0.2:
        condition = f"{other} is {rng.choice(lex['adjectives'])}"
        sentence = rng.choice(
            [f"If {condition}, {agent} {verb} {thing}.", f"When {condition}, {agent} {verb} {thing}."]
        )
        questions = [f"What happens if {condition}?", f"What {helper} {agent} do when {condition}?", f"Who {helper} {base} {thing} if {condition}?"]  # fmt: skip
    elif roll < 0.45:
        sentence = f"{capital(thing)} {passive} by {agent}{tail}."
    elif roll < 0.6 and adjunct:
        sentence = f"{capital(adjunct)}, {agent} {verb} {thing}."
    else:
        sentence = f"{capital(agent)} {verb} {thing}{tail}."
    return Fact(sentence, tuple(questions), agent, base)
