"""Files to text: which format a file has, and what it says. Pure; reads bytes that nobody has checked."""

from olo_retrieval.parsing.extracted import Extracted, Structure
from olo_retrieval.parsing.formats import Format, claimed_format, recognise

__all__ = ["Extracted", "Format", "Structure", "claimed_format", "recognise"]
