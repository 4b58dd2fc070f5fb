"""Durable work of the registry."""
