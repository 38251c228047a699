"""Runs the program under test: as it is, under valgrind, or as another user."""

import dataclasses
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

MEMORY_FAULT_STATUS = 99  # what sanitizers and valgrind are told to exit with; no status of mighost's own
VALGRIND = ("valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite "
            f"--error-exitcode={MEMORY_FAULT_STATUS}")


def sanitizer_options():
    status = f"exitcode={MEMORY_FAULT_STATUS}"
    return {"ASAN_OPTIONS": status, "LSAN_OPTIONS": status, "TSAN_OPTIONS": status,
            "UBSAN_OPTIONS": f"halt_on_error=1:print_stacktrace=1:{status}"}


@dataclasses.dataclass
class Outcome:
    status: int
    stdout: str
    stderr: str
    timed_out: bool = False
    encoding_fault: str = ""

    def fault(self):
        """What no case can ask for."""
        if self.timed_out:
            return "it did not end in time"
        if self.status == MEMORY_FAULT_STATUS:
            return "a memory fault was found"
        return self.encoding_fault or None

    def render(self):
        streams = (("stdout", self.stdout), ("stderr", self.stderr))
        shown = [f"{name} was:\n" + "\n".join("    " + line[:2000] for line in text.splitlines()[-60:])
                 for name, text in streams if text]
        return "\n".join([f"status was {self.status}"] + shown)


class Process:
    """A shell script that runs in a process group of its own."""

    def __init__(self, popen, stdout, stderr):
        self._popen, self._stdout, self._stderr = popen, stdout, stderr

    def signal(self, number):
        """To the whole group, as a terminal does."""
        try:
            os.killpg(self._popen.pid, number)
        except ProcessLookupError:
            pass

    def ended(self):
        return self._popen.poll() is not None

    def stop(self):
        self.signal(signal.SIGKILL)
        self._popen.wait()
        self._stdout.close()
        self._stderr.close()

    def finish(self, timeout_seconds):
        timed_out = False
        try:
            status = self._popen.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
            self.signal(signal.SIGKILL)
            status = self._popen.wait()
        texts, encoding_fault = [], ""
        for stream in (self._stdout, self._stderr):
            stream.seek(0)
            content = stream.read()
            try:
                texts.append(content.decode())
            except UnicodeDecodeError as error:
                encoding_fault = f"the output is not UTF-8: {error}"
                texts.append(content.decode(errors="backslashreplace"))
        return Outcome(128 - status if status < 0 else status, *texts, timed_out, encoding_fault)


class Program:
    """The `mighost` that cases find in their PATH."""

    def __init__(self, path, repository, under_valgrind=False, unprivileged=False):
        self.slowdown = 20 if under_valgrind else 1
        self._user = pwd.getpwnam("nobody") if unprivileged and os.getuid() == 0 else None
        self._bin = tempfile.TemporaryDirectory(prefix="mighost-bin-")
        os.chmod(self._bin.name, 0o755)
        command = pathlib.Path(self._bin.name, "mighost").absolute()
        if under_valgrind:
            command.write_text(f'#!/bin/sh\nexec {VALGRIND} "{path}" "$@"\n')
            command.chmod(0o755)
        elif self._user:
            shutil.copy(path, command)  # that user may not be let into the checkout
            command.chmod(0o755)
        else:
            command.symlink_to(path)
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("MIGHOST")}
        self._environment |= sanitizer_options() | {
            "PATH": f"{command.parent}:{os.environ['PATH']}", "REPO": str(repository), "TERM": "dumb",
            "LC_ALL": "C.UTF-8", "TZ": "Asia/Kathmandu",  # no whole hours: local time shows where UTC was meant
        }

    def give(self, path):
        """Makes a file or folder belong to the user the program runs as."""
        if self._user:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def start(self, script, directory, stdin=b""):
        identity = {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []} if self._user else {}
        stdout, stderr, given = (tempfile.TemporaryFile() for _ in range(3))
        with given:
            given.write(stdin)
            given.seek(0)
            popen = subprocess.Popen(
                ["bash", "-eo", "pipefail", "-c", script], cwd=directory, stdin=given, stdout=stdout, stderr=stderr,
                env=self._environment | {"HOME": str(directory)}, start_new_session=True, **identity)
        return Process(popen, stdout, stderr)

    def close(self):
        self._bin.cleanup()
