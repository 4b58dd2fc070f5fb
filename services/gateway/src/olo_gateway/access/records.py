"""The file of keys: what an operator has granted to whom. It holds hashes, and no key can be made of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from olo_contracts.api_keys import HASH, KEY_ID, TENANT
from olo_contracts.identifiers import MODEL_ID
from olo_gateway.access.allowance import Limits

_STRICT: Final = ConfigDict(frozen=True, extra="forbid")
_Text = Annotated[str, Field(strict=True)]
_Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000)]


class KeysFileInvalid(Exception):
    """The file cannot be used; the message says which entry is wrong, and repeats no value of it."""


class LimitsRecord(BaseModel):
    model_config = _STRICT

    requests_per_minute: _Count | None = None
    tokens_per_minute: _Count | None = None
    concurrency: _Count | None = None
    priority: Literal["batch", "normal", "interactive"] = "interactive"
    """The most urgent that requests can be."""

    @property
    def limits(self) -> Limits:
        """What is counted."""
        return Limits(self.requests_per_minute, self.tokens_per_minute, self.concurrency)


class KeyRecord(BaseModel):
    """One key."""

    model_config = _STRICT

    id: Annotated[_Text, Field(pattern=f"^{KEY_ID.pattern}$")]
    hash: Annotated[_Text, Field(pattern=f"^{HASH.pattern}$")]
    tenant: Annotated[_Text, Field(pattern=f"^{TENANT.pattern}$")]
    roles: Annotated[list[Literal["user", "admin"]], Field(min_length=1)]
    name: Annotated[_Text, Field(max_length=200)] = ""
    """For people."""
    created: AwareDatetime | None = None
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None
    """From when on it is refused."""
    models: list[Annotated[_Text, Field(pattern=f"^{MODEL_ID.pattern}$")]] = []
    """Names of models and aliases; none: all."""
    limits: LimitsRecord = LimitsRecord()

    def holds(self, now: datetime) -> bool:
        """Whether it is good now."""
        return (self.revoked is None or now < self.revoked) and (self.expires is None or now < self.expires)


class KeysFile(BaseModel):
    model_config = _STRICT

    keys: list[KeyRecord]


def records_of(document: Any) -> Mapping[str, KeyRecord]:
    """The keys of a file by their ids.

    Args:
        document: What the file holds, as a reader of YAML gives it.

    Raises:
        KeysFileInvalid: Naming the entry and the field.
    """
    if not isinstance(document, Mapping):
        raise KeysFileInvalid("it has to be a mapping with the entry `keys`")
    try:
        read = KeysFile.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise KeysFileInvalid(f"{where}: {first['msg'].lower()}") from None
    found: dict[str, KeyRecord] = {}
    for number, record in enumerate(read.keys):
        if record.tenant.endswith(".") or ".." in record.tenant:
            raise KeysFileInvalid(f"keys.{number}.tenant: must not end with a point, nor have two in a row")
        if record.id in found:
            raise KeysFileInvalid(f"keys.{number}.id: another entry has the same one")
        found[record.id] = record
    return found


def utc_now() -> datetime:
    """Now."""
    return datetime.now(UTC)
