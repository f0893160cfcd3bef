"""What mlx.yaml and params.yaml say."""
