"""When to evaluate, never how; loggers and the progress bar."""
