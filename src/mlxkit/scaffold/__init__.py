"""From a data file to a project: reading, roles, answers, the written tree."""
