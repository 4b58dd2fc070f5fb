"""Batches of the OpenAI dialect, and what answers their lines."""
