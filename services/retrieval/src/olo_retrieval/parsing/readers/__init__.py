"""One reader for each format: bytes in, text out through a writer."""
