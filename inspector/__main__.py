"""``python -m inspector`` is ``mtls``, and the ``mtls`` script begins here. Nothing is imported before Ctrl-C is understood."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run ``mtls``. Ctrl-C while it is still being loaded ends it like any other: exit 130, and no traceback."""
    gc.disable()  # loading makes much and throws nothing away; cli.main collects again
    try:
        from inspector.cli.main import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
