"""The gateway over HTTP: the dialects of OpenAI, Ollama and Anthropic, and what they have in common."""
