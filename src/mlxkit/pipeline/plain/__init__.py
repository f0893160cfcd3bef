"""A stage of mlx.yaml as the script that one would have written without mlx."""
