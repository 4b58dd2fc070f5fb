"""Leases: which instances are alive, judged by what they say and by this process's clock alone."""
