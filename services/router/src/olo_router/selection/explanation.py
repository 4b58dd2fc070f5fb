"""Reasons in words that can be shown to whoever asked."""

from __future__ import annotations

from olo_router.selection.request import Reason
from olo_router.types import Load, Model


def explain(
    model: Model,
    load: Load,
    reason: Reason,
    *,
    first: bool,
    stands_in_for: str = "",
    profile: str = "",
    wait: float = 0.0,
) -> str:
    """Why this model stands where it does, and whether it can start at once.

    `first` says that no other stands before it; `stands_in_for` names the model that was asked for and cannot answer
    now, where there is one; `wait` is the time in seconds for which the request will wait, where that is known.
    """
    if reason is Reason.REQUESTED:
        why = "You asked for this model"
    elif reason is Reason.CONVERSATION:
        why = "It has answered this conversation before"
    elif reason is Reason.PROFILE:
        why = f"The profile {profile} " + ("puts it first" if first else "ranks it next")
    elif reason is Reason.DEFAULT:
        why = "It is the default model"
    elif reason is Reason.PRIORITY:
        others = ("models" if first else "other models") + ("" if load.at_capacity else " with a free slot")
        why = f"It has the highest priority ({model.priority}) of the {others}"
    else:
        why = f"It can answer, with priority {model.priority}"
    if stands_in_for:
        why = f"{why}; {stands_in_for} cannot answer now"
    return f"{why}; {_load(load, wait)}."


def _load(load: Load, wait: float) -> str:
    if not load.at_capacity:
        return f"{load.free_slots} of {load.capacity} slots are free"
    slots = "its only slot is" if load.capacity == 1 else f"all {load.capacity} slots are"
    return f"{slots} taken, so the request will wait" + (f" about {wait:.0f} s" if wait >= 1 else "")
