"""The Anthropic dialect: messages, their typed events, their errors."""
