"""What is known of all models and instances, put together from the registry and from what instances say themselves."""
