"""Files of callers, and what else is kept beside histories."""
