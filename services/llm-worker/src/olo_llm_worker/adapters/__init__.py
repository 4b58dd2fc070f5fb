"""Engines: the real one, and one for tests."""
