"""Holds a store's turnstile, so that a test decides when the writers of other processes go on.

A writer takes the turnstile, then LMDB's mutex, gives the turnstile back, and commits (core/kv_lmdb.c). Who asks for it
behind a writer that waits gets it as soon as that writer has the mutex, so that exactly one commit passes."""

import fcntl
import os
import pathlib
import signal
import struct
import threading
import time

TURNSTILE = 0
F_OFD_SETLK, F_OFD_SETLKW = 37, 38  # Linux


class Turnstile:
    def __init__(self, store="mighost.db"):
        path = pathlib.Path(store) / "mighost.lock"
        self.held, self.spare = (os.open(path, os.O_RDWR) for _ in range(2))

    def take(self):
        _lock(self.held, F_OFD_SETLKW, fcntl.F_WRLCK)

    def give(self):
        _lock(self.held, F_OFD_SETLK, fcntl.F_UNLCK)

    def wait_for_writers(self, count=1):
        """Until so many wait for the turnstile."""
        inode = str(os.fstat(self.held).st_ino)
        while True:
            lines = [line.split() for line in open("/proc/locks")]
            if sum(words[1] == "->" and words[-3].endswith(":" + inode) and words[-2:] == [str(TURNSTILE)] * 2
                   for words in lines) >= count:
                return
            time.sleep(0.002)

    def let_one_pass(self):
        """Lets the writer that waits commit, and waits for the next one."""
        queue = threading.Thread(target=_lock, args=(self.spare, F_OFD_SETLKW, fcntl.F_WRLCK))
        queue.start()
        self.wait_for_writers(2)
        self.give()
        queue.join()
        self.held, self.spare = self.spare, self.held
        self.wait_for_writers()

    @staticmethod
    def stop(process):
        """Stops a writer that waits: then it does not, and others come first."""
        process.send_signal(signal.SIGSTOP)
        while pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.002)


def _lock(file, how, kind):
    fcntl.fcntl(file, how, struct.pack("hhqqi4x", kind, os.SEEK_SET, TURNSTILE, 1, 0))
