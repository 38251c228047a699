"""Runs cmocka test binaries and counts their tests by what they print."""

import dataclasses
import os
import re
import subprocess

from .process import MEMORY_FAULT_STATUS, sanitizer_options


@dataclasses.dataclass
class UnitResult:
    passed: int
    failed: int
    report: str  # empty when all passed


def run(binary, timeout_seconds=120):
    try:
        done = subprocess.run([binary.resolve()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=os.environ | sanitizer_options(), timeout=timeout_seconds)
        status, output = done.returncode, done.stdout.decode(errors="backslashreplace")
    except subprocess.TimeoutExpired as expired:
        status, output = "a timeout", (expired.stdout or b"").decode(errors="backslashreplace")
    started = re.findall(r"^\[ RUN      \] (\S+)", output, re.MULTILINE)
    passed = len(re.findall(r"^\[       OK \]", output, re.MULTILINE))
    skipped = set(re.findall(r"^\[  SKIPPED \] (\S+)$", output, re.MULTILINE))  # each is named twice
    failed = len(started) - passed - len(skipped)
    if status != 0 or not started:
        failed = max(failed, 1)  # it crashed, leaked, or never began
    reason = "a memory fault" if status == MEMORY_FAULT_STATUS else f"exit status {status}"
    last = f", last test: {started[-1]}" if started else ""
    return UnitResult(passed, failed, f"{reason}{last}\n{output[-6000:]}" if failed else "")
