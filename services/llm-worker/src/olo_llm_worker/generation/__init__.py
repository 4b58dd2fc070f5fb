"""The core: admits, orders, runs and ends generations over any engine."""
