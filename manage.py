#!/usr/bin/env python
"""Command line entry point of vsearch."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")
    from vsearch.postgres import embedded

    try:
        with embedded.for_command(sys.argv[1:]):
            from django.core.management import execute_from_command_line

            execute_from_command_line(sys.argv)
    except embedded.EmbeddedProblem as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
