"""Circuit breakers: who fails again and again gets no requests for a while, then a few to try it."""
