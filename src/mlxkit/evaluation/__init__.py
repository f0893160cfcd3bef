"""How good a model is, how two compare, and what it was trained on: pure numerics over frames."""
