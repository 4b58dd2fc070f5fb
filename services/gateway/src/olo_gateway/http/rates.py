"""The headers that tell a caller how much room there is, as OpenAI spells them."""

from __future__ import annotations

import math

from olo_gateway.access.allowance import Bucket
from olo_gateway.access.caller import caller


def rate_headers(places: tuple[int, int]) -> dict[str, str]:
    """What the caller's key allows in a minute; where it does not count calls, how many runs may be in flight.

    Args:
        places: How many runs may be in flight now, and how many more there may be.
    """
    allowance = caller().allowance
    headers: dict[str, str] = {}
    if allowance is not None and allowance.requests is not None:
        headers.update(_of("requests", allowance.requests))
    else:
        limit, free = places
        headers.update({"x-ratelimit-limit-requests": str(limit), "x-ratelimit-remaining-requests": str(free)})
    if allowance is not None and allowance.tokens is not None:
        headers.update(_of("tokens", allowance.tokens))
    return headers


def _of(what: str, bucket: Bucket) -> dict[str, str]:
    return {
        f"x-ratelimit-limit-{what}": str(bucket.per_minute),
        f"x-ratelimit-remaining-{what}": str(max(0, math.floor(bucket.level))),
        f"x-ratelimit-reset-{what}": f"{math.ceil(bucket.until_full)}s",
    }
