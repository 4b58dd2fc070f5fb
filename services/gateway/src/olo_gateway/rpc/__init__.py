"""The gateway over gRPC: its own services, and those of others that it passes on."""
