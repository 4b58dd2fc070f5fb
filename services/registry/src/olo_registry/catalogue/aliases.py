"""All aliases in memory: a change is checked first, stored by the caller, then applied."""

from __future__ import annotations

from collections.abc import Iterable

from olo_common.errors import InvalidField
from olo_contracts.identifiers import AUTO_MODEL, MODEL_ID, is_valid
from olo_registry.catalogue.alias import MAX_ALIASES, MAX_PERCENT, MAX_TARGETS, MAX_WEIGHT, Alias, Shadow
from olo_registry.catalogue.catalogue import Catalogue
from olo_registry.errors import AliasNotFound, ModelNotFound, RegistryFull
from olo_registry.types import ModelType


class Aliases:
    """The names that stand for models.

    Args:
        aliases: What is known already.
    """

    def __init__(self, aliases: Iterable[Alias] = ()) -> None:
        self._aliases = {alias.name: alias for alias in aliases}

    def all(self) -> list[Alias]:
        """All aliases by name."""
        return [self._aliases[name] for name in sorted(self._aliases)]

    def find(self, name: str) -> Alias | None:
        """The alias of this name, where there is one."""
        return self._aliases.get(name)

    def get(self, name: str) -> Alias:
        """The alias of this name.

        Raises:
            AliasNotFound: There is none.
        """
        if (alias := self._aliases.get(name)) is None:
            raise AliasNotFound("no alias has this name", field="alias")
        return alias

    def check(self, alias: Alias, catalogue: Catalogue) -> None:
        """Whether the alias may be set.

        Raises:
            InvalidField: Its name, a weight or a share is out of range, a target is named twice, the types differ, or
                the shadow is no other text model.
            ModelNotFound: A target or the shadow is not in the catalogue.
            RegistryFull: There are too many.
        """
        if not is_valid(MODEL_ID, alias.name) or alias.name == AUTO_MODEL:
            raise InvalidField("alias.alias", f"must be spelled as a model id, and not be {AUTO_MODEL}")
        if not 1 <= len(alias.targets) <= MAX_TARGETS:
            raise InvalidField("alias.targets", f"must be 1 to {MAX_TARGETS}")
        if not all(1 <= target.weight <= MAX_WEIGHT for target in alias.targets):
            raise InvalidField("alias.targets.weight", f"must be 1 to {MAX_WEIGHT}")
        if len({target.model_id for target in alias.targets}) < len(alias.targets):
            raise InvalidField("alias.targets.model_id", "must name each model once")
        if len({catalogue.get(target.model_id).model_type for target in alias.targets}) > 1:
            raise InvalidField("alias.targets.model_id", "must name models of one type")
        if alias.shadow is not None:
            _check_shadow(alias.shadow, alias, catalogue)
        if alias.name not in self._aliases and len(self._aliases) >= MAX_ALIASES:
            raise RegistryFull(f"there are {MAX_ALIASES} aliases")

    def apply(self, alias: Alias) -> None:
        """Takes over what has been stored."""
        self._aliases[alias.name] = alias

    def drop(self, name: str) -> None:
        """Takes over that it is gone."""
        del self._aliases[name]


def _check_shadow(shadow: Shadow, alias: Alias, catalogue: Catalogue) -> None:
    if not 0 <= shadow.percent <= MAX_PERCENT:
        raise InvalidField("alias.shadow.percent", f"must be 0 to {MAX_PERCENT}")
    if shadow.model_id not in catalogue:
        raise ModelNotFound("the catalogue has no such model", field="alias.shadow.model_id")
    if catalogue.get(shadow.model_id).model_type is not ModelType.LLM:
        raise InvalidField("alias.shadow.model_id", "must name a text model")
    if catalogue.get(alias.targets[0].model_id).model_type is not ModelType.LLM:
        raise InvalidField("alias.shadow", "only requests for text models can be mirrored")
    if {target.model_id for target in alias.targets} == {shadow.model_id}:
        raise InvalidField("alias.shadow.model_id", "must name another model than the one that answers")
