"""Retrieval's hold on the world."""
