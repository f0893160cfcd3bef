"""MLOps from one command line and one YAML file, on plain DVC, MLflow and git."""

__version__ = "0.1.0"
