"""Names and encodings that belong to the contracts and that a proto file cannot say."""
