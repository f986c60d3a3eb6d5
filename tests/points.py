# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# TAP output for tests written in Python. The last call is Tap.done(). Threads may
# call it concurrently.

import sys
import threading


class Tap:
    def __init__(self):
        self.points = self.failures = 0
        self.lock = threading.Lock()

    def point(self, name, good, *texts):
        """Prints a test case. If it is not good, prints the texts as comments."""
        with self.lock:
            return self._point(name, good, texts)

    def _point(self, name, good, texts):
        self.points += 1
        self.failures += not good
        print(f"{'ok' if good else 'not ok'} {self.points} - {name}")
        for text in texts if not good else ():
            for line in str(text).splitlines():
                print('#', line)
        sys.stdout.flush()
        return good

    def equal(self, name, got, want, *texts):
        return self.point(name, got == want,
                          f'got {got!r}, want {want!r}', *texts)

    def done(self):
        print(f'1..{self.points}')
        sys.exit(1 if self.failures else 0)
