"""What the registry shows: each model as it is now, and who watches is told of changes."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from olo_registry.catalogue.alias import Alias
from olo_registry.catalogue.aliases import Aliases
from olo_registry.catalogue.catalogue import Catalogue
from olo_registry.catalogue.entry import Entry
from olo_registry.changes import Changed, Changes
from olo_registry.leases.conflicts import Conflict, Conflicts
from olo_registry.leases.drains import Drains
from olo_registry.leases.instance import Instance
from olo_registry.leases.quarantine import Quarantine
from olo_registry.leases.table import Leases
from olo_registry.types import ModelType


class State(Enum):
    """Whether an instance takes work."""

    READY = "ready"
    DRAINING = "draining"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class InstanceView:
    """A live instance as it is now."""

    instance: Instance
    state: State
    reason: str = ""
    """Why it takes no work."""


@dataclass(frozen=True, slots=True)
class Worth:
    """How good and how dear a model is, as the benchmarks say; None: not known."""

    quality_score: float | None = None
    cost_per_1k_input_tokens: float | None = None
    cost_per_1k_output_tokens: float | None = None


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model as it is now."""

    entry: Entry
    instances: list[InstanceView]
    worth: Worth
    """The operator's where set, else what the benchmarks say."""
    capabilities: tuple[str, ...]
    """The operator's where set, else what all live instances say."""
    conflicts: list[Conflict]


@dataclass(frozen=True, slots=True)
class Update:
    """What a watcher gets: everything, or what has changed, always in its newest state."""

    version: int
    registry_epoch: str
    snapshot: bool
    models: list[ModelView]
    aliases: list[Alias]
    removed_aliases: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Standing:
    """What the registry holds against instances."""

    conflicts: Conflicts
    quarantine: Quarantine
    drains: Drains


class Views:
    """Reads everything, changes nothing but who listens."""

    def __init__(
        self, catalogue: Catalogue, aliases: Aliases, leases: Leases, standing: Standing, changes: Changes
    ) -> None:
        self._catalogue = catalogue
        self._aliases = aliases
        self._leases = leases
        self._standing = standing
        self._changes = changes
        self._worths: dict[str, Worth] = {}

    def model(self, model_id: str) -> ModelView:
        """A model as it is now.

        Raises:
            ModelNotFound: There is no such model.
        """
        entry = self._catalogue.get(model_id)
        instances = self._leases.of_model(model_id)
        return ModelView(
            entry,
            self._seen(instances),
            _worth(entry, self._worths.get(model_id, Worth())),
            entry.capabilities or _common(instances),
            self._standing.conflicts.of_model(model_id),
        )

    def models(self, after: str, size: int, model_type: ModelType | None) -> tuple[list[ModelView], bool]:
        """At most `size` models whose ids come after `after`, and whether there are more."""
        entries, more = self._catalogue.page(after, size, model_type)
        return [self.model(entry.model_id) for entry in entries], more

    def all(self) -> list[ModelView]:
        """All models."""
        return [self.model(model_id) for model_id in self._catalogue.ids()]

    def aliases(self) -> list[Alias]:
        """All aliases by name."""
        return self._aliases.all()

    def appraise(self, worths: dict[str, Worth]) -> None:
        """Takes over what the benchmarks say of each model."""
        nothing = Worth()
        concerned = {
            model_id
            for model_id in self._worths.keys() | worths.keys()
            if self._worths.get(model_id, nothing) != worths.get(model_id, nothing)
        }
        self._worths = worths
        self._changes.mark(sorted(model_id for model_id in concerned if model_id in self._catalogue))

    async def watch(self, registry_epoch: str = "", version: int = 0) -> AsyncGenerator[Update, None]:
        """What has changed since that version, or everything; then each change. Ends when the registry stops."""
        with self._changes.listener() as listener:
            missed = self._changes.since(registry_epoch, version)
            yield self._everything() if missed is None else self._update(missed)
            while (changed := await listener.next()) is not None:
                yield self._update(changed)

    def end_watches(self) -> None:
        """Ends every watch."""
        self._changes.close()

    def _everything(self) -> Update:
        return Update(self._changes.version, self._changes.epoch, True, self.all(), self._aliases.all())

    def _update(self, changed: Changed) -> Update:
        found = {name: self._aliases.find(name) for name in changed.aliases}
        return Update(
            self._changes.version,
            self._changes.epoch,
            snapshot=False,
            models=[self.model(model_id) for model_id in changed.models],
            aliases=[alias for alias in found.values() if alias is not None],
            removed_aliases=[name for name, alias in found.items() if alias is None],
        )

    def _seen(self, instances: Sequence[Instance]) -> list[InstanceView]:
        draining = [instance.draining or self._standing.drains.holds(instance) for instance in instances]
        suspect = [self._standing.quarantine.holds(instance) for instance in instances]
        # Nobody is set aside where that would leave nobody: an unsteady instance is better than none.
        spared = not any(not d and not s for d, s in zip(draining, suspect, strict=True))
        return [
            _seen(instance, draining=d, quarantined=s and not spared)
            for instance, d, s in zip(instances, draining, suspect, strict=True)
        ]


def _seen(instance: Instance, *, draining: bool, quarantined: bool) -> InstanceView:
    if draining:
        return InstanceView(instance, State.DRAINING, "it drains" if instance.draining else "told to drain")
    if quarantined:
        return InstanceView(instance, State.QUARANTINED, "its address came and went too often")
    return InstanceView(instance, State.READY)


def _worth(entry: Entry, said: Worth) -> Worth:
    def first(policy: float | None, fact: float | None) -> float | None:
        return fact if policy is None else policy

    return Worth(
        first(entry.quality_score, said.quality_score),
        first(entry.cost_per_1k_input_tokens, said.cost_per_1k_input_tokens),
        first(entry.cost_per_1k_output_tokens, said.cost_per_1k_output_tokens),
    )


def _common(instances: Iterable[Instance]) -> tuple[str, ...]:
    sets = [frozenset(instance.capabilities) for instance in instances]
    return tuple(sorted(frozenset.intersection(*sets))) if sets else ()
