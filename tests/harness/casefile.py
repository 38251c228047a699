"""Reads `.case` files: a header, then sections that begin with a line `--- KIND ARGUMENT`. See tests/README.md."""

import dataclasses
import pathlib

STEPS = {"file", "bytes", "generate", "import", "migrate", "run", "start", "signal", "wait", "until", "documents"}
COMMANDS = {"import", "migrate", "run", "wait"}  # the steps that expectations may follow
EXPECTATIONS = {"status", "stdout", "stderr"}
TAGS = {"valgrind", "unprivileged"}


class Malformed(Exception):
    """The case file itself is wrong; the message names the line."""


@dataclasses.dataclass
class Section:
    kind: str
    argument: str
    lines: list
    line_number: int
    expectations: dict = dataclasses.field(default_factory=dict)

    @property
    def text(self):
        return "".join(line + "\n" for line in self.lines)


@dataclasses.dataclass
class Case:
    path: pathlib.Path
    title: str = ""
    tags: set = dataclasses.field(default_factory=set)
    timeout_seconds: float = 60
    steps: list = dataclasses.field(default_factory=list)


def read(path):
    case = Case(path)
    sections = _split(path, case)
    started = set()
    for section in sections:
        where = f"{path}:{section.line_number}"
        if section.kind in STEPS:
            case.steps.append(section)
        elif section.kind not in EXPECTATIONS:
            known = " ".join(sorted(STEPS | EXPECTATIONS))
            raise Malformed(f"{where}: unknown section '{section.kind}'; known are: {known}")
        elif not case.steps or case.steps[-1].kind not in COMMANDS:
            raise Malformed(f"{where}: '{section.kind}' must follow one of: {' '.join(sorted(COMMANDS))}")
        elif section.kind in case.steps[-1].expectations:
            raise Malformed(f"{where}: '{section.kind}' is given twice")
        else:
            case.steps[-1].expectations[section.kind] = section
        if section.kind == "start":
            started.add(section.argument.split(" ")[0])
        elif section.kind == "wait":
            started.discard(section.argument)
    if started:
        raise Malformed(f"{path}: never waited for: {' '.join(sorted(started))}")
    if not case.title:
        raise Malformed(f"{path}:1: the first line must be '# ' and what the case shows")
    return case


def _split(path, case):
    sections = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.startswith("--- "):
            kind, _, argument = line[4:].strip().partition(" ")
            sections.append(Section(kind, argument.strip(), [], number))
        elif sections:
            sections[-1].lines.append(line[1:] if line.startswith("\\--- ") else line)
        else:
            _read_header_line(case, line, f"{path}:{number}")
    for section in sections:
        while section.lines and not section.lines[-1].strip():
            section.lines.pop()
    return sections


def _read_header_line(case, line, where):
    key, _, value = (part.strip() for part in line.partition(":"))
    if line.startswith("# "):
        case.title = case.title or line[2:].strip()
    elif key == "tags":
        case.tags = set(value.split())
        if case.tags - TAGS:
            raise Malformed(f"{where}: unknown tag {' '.join(case.tags - TAGS)}; known are: {' '.join(sorted(TAGS))}")
    elif key == "timeout":
        case.timeout_seconds = float(value)
    elif line.strip() and not line.startswith("#"):
        raise Malformed(f"{where}: expected '# comment', 'tags: …', 'timeout: SECONDS' or '--- section'")
