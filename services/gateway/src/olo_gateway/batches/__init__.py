"""Batches: what their files may hold, and what their results look like."""
