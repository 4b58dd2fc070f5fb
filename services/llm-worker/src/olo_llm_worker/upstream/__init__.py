"""A model that is served elsewhere joins the fleet: text goes out, text comes back. The shape is that of a service."""
