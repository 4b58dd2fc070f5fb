"""One answer out of chunks that may be late, doubled, missing or superseded."""
