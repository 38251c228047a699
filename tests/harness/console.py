"""Runs the examples of a Markdown document: its fenced blocks, each below a line `<!-- test … -->`. See tests/README.md."""

import dataclasses
import pathlib
import re
import shlex
import shutil

from . import match
from .steps import Failed

MARK = "mighost-example-ends"


MARKER = re.compile(r"\s*<!-- test(?:: (?P<how>file|quote|make)(?: (?P<path>\S+))?)? -->")
FENCE = re.compile(r"(?P<indent> *)(?P<ticks>```+|~~~+)")


@dataclasses.dataclass
class Block:
    line_number: int
    how: str  # "run", "file", "quote" or "make"
    path: str  # of the file that is written, or quoted
    lines: list


def blocks(path):
    """All fenced blocks of the document. One that nothing is said of fails, so that no example goes untested."""
    found, pending = [], None
    lines = iter(enumerate(path.read_text(encoding="utf-8").split("\n"), 1))
    for number, line in lines:
        marker, fence = MARKER.fullmatch(line), FENCE.match(line)
        if line.lstrip().startswith("<!-- test") and not marker:
            raise Failed(f"{path}:{number}: known are: <!-- test -->, test: file PATH, test: quote PATH, test: make")
        if marker:
            pending = (marker["how"] or "run", marker["path"] or "")
            if (pending[0] in ("file", "quote")) != bool(pending[1]):
                raise Failed(f"{path}:{number}: 'file' and 'quote' take a path, 'make' takes none")
        elif fence and not pending:
            raise Failed(f"{path}:{number}: this example is not tested: say how in a line above it (tests/README.md)")
        elif fence:
            body = []
            for _, inner in lines:
                if inner.strip() == fence["ticks"]:
                    break
                body.append(inner[len(fence["indent"]):])
            else:
                raise Failed(f"{path}:{number}: the block does not end")
            found.append(Block(number, *pending, body))
            pending = None
        elif pending and line.strip():
            raise Failed(f"{path}:{number}: a fenced block must follow '<!-- test … -->'")
    return found


REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
WHERE_A_READER_STANDS = ("scripts", "docs")  # copied, so that an example reads as in a checkout and may write


def perform(path, directory, program, timeout_seconds=60):
    """All blocks of a document, in order, in one directory that looks like a checkout."""
    for name in WHERE_A_READER_STANDS:
        shutil.copytree(REPOSITORY / name, directory / name)
    for block in blocks(path):
        where = f"{path}:{block.line_number}"
        if block.how == "run":
            _perform_commands(where, _commands(block.lines), directory, program, timeout_seconds)
        elif block.how == "file":
            target = directory / block.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("\n".join(block.lines) + "\n", encoding="utf-8")
        elif block.how == "quote":
            _compare(where, block)
        else:
            _look_up_targets(where, block.lines)


def _compare(where, block):
    """The lines are one piece of that file; a first line that is a comment with its path does not count."""
    lines = block.lines[1:] if block.lines[0].split() == ["--", block.path] else block.lines
    fault = match.text(["...", *lines, "..."], (REPOSITORY / block.path).read_text(encoding="utf-8"))
    if fault:
        raise Failed(f"{where}: this is not in {block.path}\n{fault}")


def _look_up_targets(where, lines):
    """Commands that build, install and test, which no test can run: what they make is there to be made."""
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    wanted = [name for line in lines for name in re.findall(r"(?:^|&& |\$ )make ([a-z]+)", line)]
    if not wanted or not targets.issuperset(wanted):
        raise Failed(f"{where}: the Makefile has {sorted(targets)}, the example makes {wanted}")


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
