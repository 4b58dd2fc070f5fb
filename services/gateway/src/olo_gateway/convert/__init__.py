"""Messages of the contracts, to the core's values and back, and to each other. Pure; workflows use it too."""
