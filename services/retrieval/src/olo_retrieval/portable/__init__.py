"""A collection as a file: what is in it, how it is written, and how it is read back."""
