"""`mtls audit`: checks as a table, each a generator of probes that returns its result."""
