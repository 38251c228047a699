"""Runs the examples of a Markdown document: the fenced blocks below a line `<!-- test -->`. See tests/README.md."""

import dataclasses
import pathlib
import re
import shlex
import shutil

from . import match
from .steps import Failed

MARK = "mighost-example-ends"


@dataclasses.dataclass
class Block:
    line_number: int
    file: str  # the file the block is written to, or "" for commands
    lines: list


def blocks(path):
    found, pending = [], None
    lines = iter(enumerate(path.read_text(encoding="utf-8").split("\n"), 1))
    for number, line in lines:
        marker = re.fullmatch(r"\s*<!-- test(?:: file (\S+))? -->", line)
        if marker:
            pending = marker[1] or ""
        elif pending is not None and line.lstrip().startswith("```"):
            indent = len(line) - len(line.lstrip())
            body = []
            for _, inner in lines:
                if inner.strip() == "```":
                    break
                body.append(inner[indent:])
            found.append(Block(number, pending, body))
            pending = None
        elif pending is not None and line.strip():
            raise Failed(f"{path}:{number}: a fenced block must follow '<!-- test -->'")
    return found


REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
WHERE_A_READER_STANDS = ("scripts", "docs")  # copied, so that an example reads as in a checkout and may write


def perform(path, directory, program, timeout_seconds=60):
    """All blocks of a document, in order, in one directory that looks like a checkout."""
    for name in WHERE_A_READER_STANDS:
        shutil.copytree(REPOSITORY / name, directory / name)
    for block in blocks(path):
        where = f"{path}:{block.line_number}"
        if block.file:
            target = directory / block.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("\n".join(block.lines) + "\n", encoding="utf-8")
        else:
            _perform_commands(where, _commands(block.lines), directory, program, timeout_seconds)


def _commands(lines):
    """Pairs of a command and the lines of output shown below it. Without any `$ `, each line is a command."""
    session = any(line.startswith("$ ") for line in lines)
    found = []
    for line in lines:
        if line.startswith("$ ") or (not session and line.strip()):
            found.append((line.removeprefix("$ "), []))
        elif found and line.startswith("> ") and not found[-1][1]:
            found[-1] = (found[-1][0] + "\n" + line[2:], [])
        elif found:
            found[-1][1].append(line)
    for _, shown in found:
        while shown and not shown[-1].strip():
            shown.pop()
    return found


def _perform_commands(where, commands, directory, program, timeout_seconds):
    # One shell for the block, so that `cd`, variables and `$?` carry over; the mark tells the outputs apart.
    script = ["set +e +o pipefail", "exec 2>&1"]
    for command, _ in commands:
        script += [command, f"status=$?; printf '%s %s\\n' {shlex.quote(MARK)} $status; (exit $status)"]
    process = program.start("\n".join(script) + "\n:\n", directory)
    try:
        outcome = process.finish(timeout_seconds * program.slowdown)
    finally:
        process.stop()
    pieces = re.split(rf"^{MARK} (\d+)\n", outcome.stdout, flags=re.MULTILINE)
    for index, (command, shown) in enumerate(commands):
        if 2 * index + 1 >= len(pieces):
            raise Failed(f"{where}: $ {command}\nthe shell ended before it was done\n{outcome.render()}")
        output, status = pieces[2 * index], pieces[2 * index + 1]
        fault = match.text(shown, output) if shown else None
        if not shown and status != "0":
            fault = f"exit status {status}\n{output}"
        if fault:
            raise Failed(f"{where}: $ {command}\n{fault}")
