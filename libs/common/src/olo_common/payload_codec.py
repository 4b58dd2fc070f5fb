"""Payloads of Temporal, encrypted: what the server stores, and what is stored beside it, is read with a key alone.

AES-256-GCM. Each workflow has a key of its own, derived from the one in the file, so that a payload that was moved to
another workflow is refused, and random nonces never run out. Which workflow that is stands beside the payload: a tool
without a workflow at hand, such as a codec server, can read it too.
"""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Sequence
from typing import Final, Self

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ActivitySerializationContext,
    PayloadCodec,
    SerializationContext,
    WithSerializationContext,
    WorkflowSerializationContext,
)
from temporalio.exceptions import ApplicationError

from olo_common.changing_files import ChangingFiles
from olo_common.failures import to_application_error
from olo_common.metrics import Counter
from olo_common.occasional_log import OccasionalWarning
from olo_common.payload_errors import PayloadInClear, PayloadKeyMissing, PayloadNotAuthentic, PayloadUnreadable
from olo_common.payload_key_lines import KEY_ID
from olo_common.payload_keys import KEY_RELOADS, PayloadKeys

UNREAD: Final = Counter(
    "olo_payloads_unread",
    "Payloads that could not be read: their key is missing, they are not what was encrypted, or not encrypted.",
    ("reason",),
)
INSTRUMENTS: Final = (KEY_RELOADS, UNREAD)

ENCODING: Final = b"binary/encrypted"
"""As Temporal's samples call it, so that its tools see what they have before them."""
_KEY: Final = "encryption-key-id"
_WORKFLOW: Final = "encryption-workflow-id"
_LARGE_BYTES: Final = 1024 * 1024
"""What is larger is a matter of milliseconds, for which the event loop shall not stand still."""
_BY_SCHEDULE: Final = re.compile(r"-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
"""What Temporal appends to the id that a schedule names; its arguments are encrypted before that."""


class EncryptedPayloads(PayloadCodec, WithSerializationContext):
    """Encrypts with the first key of a file, and decrypts with all.

    Args:
        keys: The keys; None: nothing is encrypted, and what others have encrypted is refused with the id of its key.
        refuse_clear: Whether payloads that are not encrypted are refused.
    """

    def __init__(self, keys: ChangingFiles[PayloadKeys] | None, *, refuse_clear: bool = False) -> None:
        self._keys = keys
        self._refuse_clear = refuse_clear
        self._warning = OccasionalWarning("payload_unreadable")
        self._workflow_id = b""

    @property
    def encrypts(self) -> bool:
        """Whether there are keys."""
        return self._keys is not None

    def with_context(self, context: SerializationContext) -> Self:
        """The codec of one workflow: its own, or that whose activity this is."""
        if self._keys is None or not isinstance(context, WorkflowSerializationContext | ActivitySerializationContext):
            return self
        bound = copy.copy(self)
        bound._workflow_id = (context.workflow_id or "").encode()
        return bound

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypts payloads."""
        if self._keys is None:
            return list(payloads)
        keys = self._keys.current()
        return [
            await asyncio.to_thread(self._sealed, payload, keys)
            if len(payload.data) > _LARGE_BYTES
            else self._sealed(payload, keys)
            for payload in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypts payloads; those in the clear stay as they are.

        Raises:
            ApplicationError: One cannot be read now, for one of the reasons of `payload_errors`; a later try may.
        """
        return [
            await asyncio.to_thread(self._opened, payload)
            if len(payload.data) > _LARGE_BYTES
            else self._opened(payload)
            for payload in payloads
        ]

    def _sealed(self, payload: Payload, keys: PayloadKeys) -> Payload:
        # Imported here: most processes of a laptop encrypt nothing, and it costs a start 0.1 s.
        from olo_common.payload_cipher import seal

        key_id = keys.first.encode()
        data = seal(keys.by_id[keys.first], self._workflow_id, key_id, payload.SerializeToString())
        return Payload(metadata={"encoding": ENCODING, _KEY: key_id, _WORKFLOW: self._workflow_id}, data=data)

    def _opened(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCODING:
            if self._refuse_clear:
                raise self._refused(PayloadInClear())
            return payload
        spelled = payload.metadata.get(_KEY, b"").decode("ascii", "replace")
        key_id = spelled if KEY_ID.fullmatch(spelled) else "unknown"
        secret = self._secret(spelled)
        if secret is None:
            raise self._refused(PayloadKeyMissing(key_id))
        from olo_common.payload_cipher import unseal

        sealed_for = payload.metadata.get(_WORKFLOW, b"")
        if not self._is_for(sealed_for):
            raise self._refused(PayloadNotAuthentic(key_id))
        try:
            return Payload.FromString(unseal(secret, sealed_for, spelled.encode(), payload.data))
        except (DecodeError, ValueError):
            raise self._refused(PayloadNotAuthentic(key_id)) from None

    def _secret(self, key_id: str) -> bytes | None:
        if self._keys is None:
            return None
        found = self._keys.current().by_id.get(key_id)
        return self._keys.current(at_once=True).by_id.get(key_id) if found is None else found

    def _is_for(self, workflow_id: bytes) -> bool:
        """Whether what was encrypted for that workflow may be read here; what is of none, or read for none, may be."""
        here = self._workflow_id
        if not here or not workflow_id or here == workflow_id:
            return True
        return _BY_SCHEDULE.sub("", here.decode()).encode() == workflow_id

    def _refused(self, error: PayloadUnreadable) -> ApplicationError:
        UNREAD.add(reason=error.reason)
        self._warning(reason=error.reason, problem=error.message)
        return to_application_error(error, retryable=True)
