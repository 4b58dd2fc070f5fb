"""Answers in a form: JSON, and calls of tools."""
