"""How passages are found: a retriever ranks, what is served is kept, and the best are chosen."""
