"""Vector stores: collections of retrieval as the OpenAI dialect knows them."""
