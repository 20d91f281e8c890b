"""Arrays to numbers; no models."""
