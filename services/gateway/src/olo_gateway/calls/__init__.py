"""What answers callers of every dialect. It knows ports, and neither how calls come in nor who does the work."""
