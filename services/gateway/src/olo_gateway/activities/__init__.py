"""What the workflows have done for them. Each may be done again at any point, and leaves the same behind."""
