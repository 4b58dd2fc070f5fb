"""The core: admits requests, relays text as it comes, and ends what nobody waits for."""
