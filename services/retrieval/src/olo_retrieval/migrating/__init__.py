"""Moves a collection from one index to another while it is searched and written to."""
