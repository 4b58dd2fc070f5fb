"""Where documents come from: files, object stores, the web, SQL databases, git and NATS."""
