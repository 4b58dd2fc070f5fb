"""Who is let in: a limit that adapts, reserves for who matters more, a fair share for each tenant, honest refusals."""
