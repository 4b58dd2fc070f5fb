"""What every service shares. Knows no business word."""
