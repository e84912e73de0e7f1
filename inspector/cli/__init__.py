"""Click commands: arguments in, exit code out; the only importer of click."""
