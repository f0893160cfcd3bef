"""Which model is in use where, and how it came there."""
