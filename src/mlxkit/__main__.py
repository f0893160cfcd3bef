"""`python -m mlxkit` is `mlx`."""

from mlxkit.cli.app import run

if __name__ == "__main__":
    run()
