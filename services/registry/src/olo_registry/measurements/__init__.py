"""What routers have measured of models and instances, kept so that a router that starts is not blind."""
