"""The engine: graph, staleness, binding, execution, and the record of a run."""
