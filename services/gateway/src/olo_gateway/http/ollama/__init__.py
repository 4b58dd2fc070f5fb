"""The Ollama dialect: its paths, its lines of JSON, its errors."""
