"""Where documents come from: what a source is, and how a collection is kept in step with it."""
