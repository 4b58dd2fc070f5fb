"""Who calls, what they may do, and how much of it: API keys, tenants and rates. Pure."""
