"""What the experiments' commands share."""

import sys
from contextlib import contextmanager
from pathlib import Path

from helpers import UserError


@contextmanager
def user_errors():
    """Shows a UserError as one line, without traceback, and ends the command with exit code 2."""
    try:
        yield
    except UserError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        sys.exit(2)
