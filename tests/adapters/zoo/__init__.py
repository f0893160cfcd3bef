"""A project's package with one model of each kind that mlx stores."""
