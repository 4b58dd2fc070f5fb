"""Chooses: settles the profile, keeps the rankings, and makes one decision after the other on what is known."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from olo_router.breaking.breakers import Breakers
from olo_router.conversations import Conversations
from olo_router.fleet.fleet import Fleet
from olo_router.learning.learner import Learner
from olo_router.learning.sizes import size_of
from olo_router.selection.complexity import Classifier, Complexity, Prompt
from olo_router.selection.profiles import AUTO_PROFILE, DEFAULT_PROFILE, Profile, Profiles
from olo_router.selection.ranking import Kind, Ranking, rank
from olo_router.selection.request import Request, Selection
from olo_router.selection.select import select
from olo_router.selection.snapshot import Snapshot
from olo_router.types import ModelType

_RANKINGS_KEPT = 128
_RELEARN_SECONDS = 1.0
"""Rankings by profile are built anew at most once in this time, however much is learned."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A request as it comes in, with what is settled before the choice."""

    request: Request
    profile: str = ""
    prompt: Prompt | None = None
    conversation_id: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """A selection, and what it was made on."""

    selection: Selection
    profile: str
    complexity: Complexity | None
    version: int
    """Of the registry's snapshot."""
    age: float
    """Seconds since the registry was there; 0 while it is."""


@dataclass(frozen=True, slots=True)
class ComplexityProfiles:
    """The profiles that `auto` comes to."""

    simple: str = "budget"
    complex: str = "quality"


@dataclass(slots=True)
class _Kept:
    ranking: Ranking
    structure: int
    learned: int
    at: float


class Chooser:
    """See the module. Time is given by the caller, in seconds that never go back."""

    def __init__(
        self,
        fleet: Fleet,
        breakers: Breakers,
        learner: Learner,
        *,
        profiles: Profiles,
        classifier: Classifier,
        conversations: Conversations,
        by_complexity: ComplexityProfiles | None = None,
    ) -> None:
        self._fleet = fleet
        self._breakers = breakers
        self._learner = learner
        self.profiles = profiles
        self._classifier = classifier
        self._conversations = conversations
        self._by_complexity = by_complexity or ComplexityProfiles()
        self._rankings: OrderedDict[Kind, _Kept] = OrderedDict()
        self.backlogs: dict[str, int] = {}
        """Requests in the queues of models, as last seen."""

    def choose(self, wish: Wish, now: float, *, hand_out: bool) -> Decision:
        """Decides.

        Args:
            wish: What is asked.
            now: The time.
            hand_out: Whether the first candidate gets the request; else nothing is changed by the decision.

        Raises:
            OloError: As `Fleet.check` and `selection.select`; InvalidField where there is no such profile.
        """
        self._fleet.check(now)
        name, profile, complexity = self._settle(wish)
        tenant, conversation, sticky = wish.request.tenant, wish.conversation_id, ""
        if conversation:
            sticky = self._conversations.model_of(tenant, conversation, now)
        request = replace(wish.request, profile=profile, sticky_model=sticky)
        snapshot = self._snapshot(now)
        selection = select(snapshot, self._ranking(_kind(request), snapshot, now), request)
        if hand_out and request.model_type is ModelType.LLM:
            first = selection.candidates[0]
            self._fleet.hand_out(first.load.best_instance_id, now)
            self._breakers.probe(first.model.model_id, now)
            if conversation:
                self._conversations.remember(tenant, conversation, first.model.model_id, now)
        return Decision(selection, name, complexity, self._fleet.version, self._fleet.age(now))

    def rankings(self, name: str, model_type: ModelType, tenant: str, now: float) -> tuple[str, Ranking]:
        """The name of the profile, and its ranking of all models of a type.

        Raises:
            OloError: As `Fleet.check`; InvalidField where there is no such profile.
        """
        self._fleet.check(now)
        name = name or self.profiles.default
        if name == AUTO_PROFILE:
            name = self._by_complexity.complex
        kind = Kind(model_type, self.profiles.weights(name), tenant=tenant)
        return name, self._ranking(kind, self._snapshot(now), now)

    def _settle(self, wish: Wish) -> tuple[str, Profile | None, Complexity | None]:
        name = wish.profile or self.profiles.default
        complexity = None
        if name == AUTO_PROFILE:
            complexity = self._classifier.judge(wish.prompt or Prompt(""))
            name = self._by_complexity.complex if complexity.is_complex else self._by_complexity.simple
        # Weights are made for text; which model embeds is a matter of the collection, and of policy alone.
        if wish.request.model_type is not ModelType.LLM:
            name = DEFAULT_PROFILE
        return name, self.profiles.weights(name), complexity

    def _snapshot(self, now: float) -> Snapshot:
        return Snapshot(
            models=self._fleet.models,
            loads=self._fleet.loads(),
            aliases=self._fleet.aliases,
            gates=self._breakers.gates(now),
            backlogs=self.backlogs,
            estimating=self._learner.estimate,
        )

    def _ranking(self, kind: Kind, snapshot: Snapshot, now: float) -> Ranking:
        kept = self._rankings.get(kind)
        if kept is not None and kept.structure == self._fleet.structure:
            current = not kind.learns or kept.learned == self._learner.version
            if current or now - kept.at < _RELEARN_SECONDS:
                return kept.ranking
        ranking = rank(snapshot.models.values(), snapshot.loads, kind, snapshot.estimating)
        self._rankings[kind] = _Kept(ranking, self._fleet.structure, self._learner.version, now)
        self._rankings.move_to_end(kind)
        if len(self._rankings) > _RANKINGS_KEPT:
            self._rankings.popitem(last=False)
        return ranking


def _kind(request: Request) -> Kind:
    kind = Kind(request.model_type, request.profile, request.constraints, request.tenant)
    if not kind.learns:
        return kind
    return replace(kind, size=size_of(request.prompt_tokens), completion_tokens=_rounded(request.completion_tokens))


def _rounded(tokens: int) -> int:
    """The next power of two, so that not every length of answer needs a ranking of its own."""
    return 1 << max(4, min(20, (tokens - 1).bit_length()))
