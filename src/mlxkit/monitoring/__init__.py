"""What happens to a model in production: drift of its inputs, quality once labels arrive."""
