"""Holds a store's turnstile, so that a case decides when a deploy goes on.

A writer takes the turnstile, then LMDB's mutex, gives the turnstile back, and commits (core/kv_lmdb.c). Who asks for it
behind a writer that waits mostly gets it before that writer's next commit. Not always: then the deploy ended, and
`pending_deploy` begins again with the store as it was."""

import fcntl
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time

TURNSTILE = 0
F_OFD_SETLK, F_OFD_SETLKW = 37, 38  # Linux


class Turnstile:
    def __init__(self, store="mighost.db"):
        path = pathlib.Path(store) / "mighost.lock"
        self.held, self.spare = (os.open(path, os.O_RDWR) for _ in range(2))
        _lock(self.held, F_OFD_SETLKW, fcntl.F_WRLCK)

    def give(self):
        _lock(self.held, F_OFD_SETLK, fcntl.F_UNLCK)

    def close(self):
        os.close(self.held)
        os.close(self.spare)

    def wait_for_writers(self, process, count=1):
        """Until so many wait for the turnstile; false when the process has ended."""
        inode = str(os.fstat(self.held).st_ino)
        while process.poll() is None:
            lines = [line.split() for line in open("/proc/locks")]
            if sum(words[1] == "->" and words[-3].endswith(":" + inode) and words[-2:] == [str(TURNSTILE)] * 2
                   for words in lines) >= count:
                return True
            time.sleep(0.002)
        return False

    def let_one_pass(self, process):
        """Lets the writer that waits commit, and waits for its next commit."""
        queue = threading.Thread(target=_lock, args=(self.spare, F_OFD_SETLKW, fcntl.F_WRLCK))
        queue.start()
        self.wait_for_writers(process, 2)
        self.give()
        queue.join()
        self.held, self.spare = self.spare, self.held
        return self.wait_for_writers(process)


def waiting_deploy(*words):
    """Starts `mighost deploy` and lets it do nothing yet: the turnstile, and the process."""
    turnstile = Turnstile()
    process = subprocess.Popen(["mighost", "deploy", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    turnstile.wait_for_writers(process)
    return turnstile, process


def pending_deploy(*words, commits=1):
    """The same after so many commits, the last of which installs the pending schema."""
    shutil.copytree("mighost.db", "before.db")
    while True:
        turnstile, process = waiting_deploy(*words)
        if all(turnstile.let_one_pass(process) for _ in range(commits)):
            shutil.rmtree("before.db")
            return turnstile, process
        turnstile.close()
        process.communicate()
        shutil.rmtree("mighost.db")
        shutil.copytree("before.db", "mighost.db")


def stop(process):
    """Stops a writer that waits: then it does not, and others come first."""
    process.send_signal(signal.SIGSTOP)
    while pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.002)


def finish(process):
    """Prints what the process printed, and gives its exit status."""
    stdout, stderr = process.communicate()
    print(stdout, end="", flush=True)
    print(stderr, end="", file=sys.stderr, flush=True)
    return process.returncode


def _lock(file, how, kind):
    fcntl.fcntl(file, how, struct.pack("hhqqi4x", kind, os.SEEK_SET, TURNSTILE, 1, 0))
