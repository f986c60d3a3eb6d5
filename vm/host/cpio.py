# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
"""Archives for the initrd: the "newc" format of cpio, which the kernel unpacks."""

import os
import stat


class Archive:
    """An archive in memory. All files belong to root and have no time."""

    def __init__(self):
        self.parts = []
        self.inode = 0

    def entry(self, name, mode, data=b''):
        self.inode += 1
        path = name.encode(errors='surrogateescape') + b'\0'
        fields = (self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0)
        head = b'070701' + b''.join(b'%08X' % field for field in fields)
        for part in head + path, data:
            self.parts.append(part + bytes(-len(part) % 4))

    def folder(self, name):
        self.entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o644):
        if isinstance(data, str):
            data = data.encode(errors='surrogateescape')
        self.entry(name, stat.S_IFREG | mode, data)

    def copy(self, path, name=None):
        """Adds the file at path, with its permissions for the owner."""
        with open(path, 'rb') as source:
            mode = 0o755 if os.access(path, os.X_OK) else 0o644
            self.file(name or os.path.basename(path), source.read(), mode)

    def link(self, name, target):
        self.entry(name, stat.S_IFLNK | 0o777, target.encode())

    def data(self):
        self.entry('TRAILER!!!', 0)
        return b''.join(self.parts)
