"""What a run may be, before and while it is one."""
