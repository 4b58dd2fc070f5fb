"""PromQL, put together, so that each form of question is written once."""

from __future__ import annotations

WINDOW = "5m"
NOT_THE_CALLER = 'error_type=~"dependency_unavailable|[A-Z].*"'
"""Errors of searches that are ours: a part that is away, or a bug, which is told by the name of its class."""


def rate(metric: str, by: str = "", where: str = "", window: str = WINDOW) -> str:
    """How often something happens in a second, by labels."""
    return f"sum{_by(by)} (rate({metric}{_where(where)}[{window}]))"


def share(metric: str, where: str, by: str = "", among: str = "") -> str:
    """Which part, 0 to 1, of what happens is of a kind."""
    both = ",".join(filter(None, (among, where)))
    return f"{rate(metric, by, both)} / {rate(metric, by, among)}"


def quantile(part: float, histogram: str, by: str = "", where: str = "") -> str:
    """The value of a histogram below which a part, 0 to 1, of what was measured lies."""
    labels = ",".join(filter(None, ("le", by)))
    return f"histogram_quantile({part}, sum by ({labels}) (rate({histogram}_bucket{_where(where)}[{WINDOW}])))"


def mean(histogram: str, by: str = "", where: str = "") -> str:
    """The average of what was measured."""
    return f"{rate(f'{histogram}_sum', by, where)} / {rate(f'{histogram}_count', by, where)}"


def highest(metric: str, by: str = "", where: str = "") -> str:
    """The highest of figures that several processes tell of the same thing."""
    return f"max{_by(by)} ({metric}{_where(where)})"


def total(metric: str, by: str = "", where: str = "") -> str:
    """The sum of figures that processes tell of themselves."""
    return f"sum{_by(by)} ({metric}{_where(where)})"


def above(query: str, limit: float | str) -> str:
    """What is above a limit, a number or another query."""
    return f"({query}) > {limit}"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""


def _where(condition: str) -> str:
    return f"{{{condition}}}" if condition else ""
