"""Classes of prompt sizes: what is measured of short prompts says little about long ones."""

from __future__ import annotations

from enum import Enum


class PromptSize(Enum):
    """A class of prompt lengths."""

    SHORT = "short"
    """Below 512 tokens."""
    MEDIUM = "medium"
    """Below 4096 tokens."""
    LONG = "long"


def size_of(prompt_tokens: int) -> PromptSize:
    """The class of a prompt; one of unknown length counts as short."""
    if prompt_tokens < 512:
        return PromptSize.SHORT
    return PromptSize.MEDIUM if prompt_tokens < 4096 else PromptSize.LONG


NEAREST: dict[PromptSize, tuple[PromptSize, ...]] = {
    PromptSize.SHORT: (PromptSize.SHORT, PromptSize.MEDIUM, PromptSize.LONG),
    PromptSize.MEDIUM: (PromptSize.MEDIUM, PromptSize.SHORT, PromptSize.LONG),
    PromptSize.LONG: (PromptSize.LONG, PromptSize.MEDIUM, PromptSize.SHORT),
}
"""Where to look for an estimate, the best source first."""
