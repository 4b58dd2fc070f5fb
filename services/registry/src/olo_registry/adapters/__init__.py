"""The registry's ports, filled: SQL, NATS, the clock."""
