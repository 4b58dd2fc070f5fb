"""The workflows of this service."""
