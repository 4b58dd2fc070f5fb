"""Servers that hold models, by the protocol that they speak."""
