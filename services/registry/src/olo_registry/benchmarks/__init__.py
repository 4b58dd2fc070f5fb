"""What others have measured and published about models, and which of ours they mean."""
