"""Many small requests become few large batches."""
