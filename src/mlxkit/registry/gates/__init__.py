"""The gates of a promotion: one module for each family, which all return verdicts on one trial."""
