"""What feeds the router: the registry over gRPC, the instances over NATS."""
