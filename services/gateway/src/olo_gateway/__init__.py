"""The edge: gRPC and OpenAI-compatible HTTP in front of durable chat runs."""
