"""The command line: one file a noun; it parses, calls one verb, and hands the result to Output."""
