"""The catalogue: which models exist, and what the operator has decided about them."""
