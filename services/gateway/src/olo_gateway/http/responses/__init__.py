"""The Responses API: durable runs, seen as OpenAI's clients see them."""
