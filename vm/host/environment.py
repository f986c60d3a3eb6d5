# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Which variables of the caller's environment the command gets.

All, except those that would mislead it in the guest: what names a program, a socket or a
terminal of the host, and what a shell keeps for itself. Without --user, the command is
root's, and those of the user's identity are left out, too.
"""

import os
import re

# Of the host: sockets, terminals and sessions that the guest does not have.
ELSEWHERE = re.compile(
    'DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|DBUS_.*|SSH_.*|GPG_.*|XDG_RUNTIME_DIR|'
    'XDG_SESSION_.*|XDG_SEAT|XDG_VTNR|LISTEN_.*|NOTIFY_SOCKET|INVOCATION_ID|JOURNAL_STREAM|'
    'WATCHDOG_.*|TERM|TERM_.*|LINES|COLUMNS|TMUX.*|STY|WINDOW|TMPDIR|TEMP|TMP|HOSTNAME|'
    'container')
# A shell's own: bash refuses to set some of them.
OF_SHELLS = re.compile(
    'PWD|OLDPWD|SHLVL|_|IFS|PS[0-9]|UID|EUID|PPID|GROUPS|BASH.*|SHELLOPTS|POSIXLY_CORRECT|'
    'ENV|PROMPT_COMMAND')
OF_USERS = re.compile('HOME|USER|LOGNAME|SHELL|MAIL|SUDO_.*')
# guest.sh sets them.
OF_GUEST = re.compile('PEERMEM_(OUT|BUILD|MODULES|NODE|NODES)')
NAME = re.compile('[A-Za-z_][A-Za-z0-9_]*')
SBIN = ('/usr/local/sbin', '/usr/sbin', '/sbin')


def passes(name, user):
    """Is the variable passed without --env?"""
    if not NAME.fullmatch(name):
        return False
    kinds = [ELSEWHERE, OF_SHELLS, OF_GUEST] + ([] if user else [OF_USERS])
    return not any(kind.fullmatch(name) for kind in kinds)


def for_command(options, environment=None):
    """The variables that the command gets, besides those of guest.sh."""
    environment = os.environ if environment is None else environment
    chosen = {}
    if not options.no_env:
        chosen = {name: value for name, value in environment.items()
                  if passes(name, options.user)}
        # Programs such as modprobe, which the PATH of an ordinary user may lack
        path = chosen.get('PATH', '/usr/local/bin:/usr/bin:/bin').split(':')
        chosen['PATH'] = ':'.join(path + [part for part in SBIN if part not in path])
    for text in options.env:
        name, has_value, value = text.partition('=')
        chosen[name] = value if has_value else environment[name]
    return chosen
