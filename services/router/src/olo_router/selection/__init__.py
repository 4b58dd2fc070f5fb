"""The decision: Filter, Scorer, Picker; pure functions of what is known at one moment."""
