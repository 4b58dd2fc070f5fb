"""Readers of what the sources publish. A document of another shape is refused whole; a bad row is left out."""
