"""What every model worker is, whatever it serves."""
