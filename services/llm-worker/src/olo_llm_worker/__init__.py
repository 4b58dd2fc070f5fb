"""Serves one text model: over gRPC, and as Temporal activities on the model's own task queue."""
