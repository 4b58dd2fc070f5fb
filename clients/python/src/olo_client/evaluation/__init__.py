"""How good retrieval and its answers are, on a set of questions whose documents are known."""
