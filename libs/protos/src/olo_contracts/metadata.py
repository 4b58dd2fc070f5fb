"""Names of what callers say of a call beside its message: metadata of gRPC, headers of HTTP."""

from __future__ import annotations

from typing import Final

NEW_REQUEST: Final = "x-request-new"
"""Says `true` where no earlier try with this request id can have been accepted: where there is no place, nobody looks
for its run then. Who says so wrongly is refused once more."""
