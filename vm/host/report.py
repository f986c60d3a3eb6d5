# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Messages to the user, and the exit statuses of peermem-vm itself."""

import sys

# Exit statuses that are not those of the command.
KERNEL = 123    # kernel warnings in the log
TIMEOUT = 124
MACHINE = 125   # did not start or boot, crashed, or is stuck; or wrong options


class Failure(Exception):
    """Ends peermem-vm with a message, and exit status MACHINE."""


class UsageError(Failure):
    """A wrong option or argument."""


def say(text):
    print(f'vm: {text}', file=sys.stderr, flush=True)


def show(lines):
    """Prints lines of a log."""
    for line in lines:
        print(line, file=sys.stderr)
    sys.stderr.flush()
