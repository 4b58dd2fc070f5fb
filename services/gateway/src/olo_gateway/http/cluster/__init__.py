"""The cluster as operators look at it: nodes, models, queues, figures."""
