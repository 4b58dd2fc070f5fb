"""What is learned of models and instances from the ends of their attempts; older attempts count less."""
