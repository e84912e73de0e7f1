"""``python -m inspector`` is ``mtls``."""

from inspector.cli.main import main

main()
