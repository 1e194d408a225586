#!/usr/bin/env python
"""Django's command line: `python manage.py help`."""

import os
import sys

from django.core.management import execute_from_command_line

from eloquent.foundation.config import ConfigFaults


def main() -> None:
    """Run the command; a faulty configuration is a list of faults, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eloquent.settings")
    try:
        execute_from_command_line(sys.argv)
    except ConfigFaults as faults:
        sys.exit(str(faults))


if __name__ == "__main__":
    main()
