"""The prompt that carries passages, and the marks by which an answer cites them."""
