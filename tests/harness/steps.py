"""Carries out the steps of one case in a directory of its own."""

import ast
import json
import pathlib
import signal
import time

from . import match
from .process import Outcome



class Failed(Exception):
    """A step did not do what the case says; the message explains it."""


class Steps:
    def __init__(self, case, directory, program):
        self.case = case
        self.directory = pathlib.Path(directory)
        self.program = program
        self.deadline = time.monotonic() + case.timeout_seconds * program.slowdown
        self.background = {}
        self.migrations = 0

    def perform(self):
        try:
            for step in self.case.steps:
                try:
                    getattr(self, "do_" + step.kind)(step)
                except Failed as failure:
                    raise Failed(f"{self.case.path}:{step.line_number}: --- {step.kind} {step.argument}\n{failure}")
        finally:
            for process in self.background.values():
                process.stop()

    # Files

    def do_file(self, step):
        self._write(step.argument, step.text.encode())

    def do_bytes(self, step):
        """Each line is the inside of a Python bytes literal; line ends do not count."""
        self._write(step.argument, b"".join(ast.literal_eval(f"b'''{line}'''") for line in step.lines))

    def do_generate(self, step):
        """The body is a Python expression: text, bytes, or the lines as texts or as values to write as JSON."""
        made = eval(step.text.strip(), {"json": json})
        if isinstance(made, str):
            made = made.encode()
        elif not isinstance(made, bytes):
            lines = (item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in made)
            made = "".join(line + "\n" for line in lines).encode()
        self._write(step.argument, made)

    def _write(self, name, content):
        path = self.directory / name
        for folder in reversed([folder for folder in path.parents if not folder.exists()]):
            folder.mkdir()
            self.program.give(folder)
        path.write_bytes(content)
        self.program.give(path)

    # Commands

    def do_run(self, step):
        self._check(step, self._run(step.argument + "\n" + step.text))

    def do_import(self, step):
        """The body is given to `mighost import TABLE -`."""
        self._check(step, self._run(f"mighost import {step.argument} -", step.text.encode()))

    def do_migrate(self, step):
        """The body is that of migrateOne(ctx, doc), so that line numbers are those of the body."""
        table, _, flags = step.argument.partition(" ")
        self.migrations += 1
        name = f"migrate{'' if self.migrations == 1 else self.migrations}.lua"
        self._write(name, f'return migrations.define {{ table = "{table}", migrateOne = function(ctx, doc) '
                          f"{step.text}end }}\n".encode())
        self._check(step, self._run(f"mighost {name} {flags}"))

    def do_start(self, step):
        name, _, command = step.argument.partition(" ")
        self.background[name] = self.program.start(command + "\n" + step.text, self.directory)

    def do_signal(self, step):
        name, _, number = step.argument.partition(" ")
        self._started(name).signal(getattr(signal, "SIG" + number))

    def do_wait(self, step):
        process = self._started(step.argument)
        outcome = process.finish(self._remaining_seconds())
        del self.background[step.argument]
        self._check(step, outcome)

    def do_until(self, step):
        """Repeats the command until it succeeds."""
        hopeless = False
        while self._run(step.argument + "\n" + step.text).status != 0:
            if hopeless or self._remaining_seconds() < 1:
                raise Failed("it did not come true" + "".join(
                    f"; what was started as '{name}' has ended: {process.finish(1).render()}"
                    for name, process in self.background.items() if process.ended()))
            hopeless = self.background and all(process.ended() for process in self.background.values())
            time.sleep(0.01)

    def do_documents(self, step):
        table, _, how = step.argument.partition(" ")
        outcome = self._run(f"mighost export {table}")
        if outcome.status != 0:
            raise Failed(f"the export exited {outcome.status}\n{outcome.render()}")
        actual = match.parse_stream(outcome.stdout)
        expected = match.parse_stream(step.text)
        fault = match.documents(expected, actual, ordered=how == "ordered")
        if fault:
            raise Failed(fault)

    def _run(self, script, stdin=b"") -> Outcome:
        process = self.program.start(script, self.directory, stdin)
        try:
            return process.finish(self._remaining_seconds())
        finally:
            process.stop()

    def _started(self, name):
        if name not in self.background:
            raise Failed(f"nothing was started as '{name}'")
        return self.background[name]

    def _remaining_seconds(self):
        return max(0.5, self.deadline - time.monotonic())

    # Expectations

    def _check(self, step, outcome):
        faults = list(filter(None, [
            outcome.fault(),
            self._status_fault(step.expectations.get("status"), outcome),
            self._stream_fault(step.expectations.get("stdout"), "stdout", outcome.stdout),
            self._stream_fault(step.expectations.get("stderr"), "stderr", outcome.stderr),
        ]))
        if faults:
            raise Failed("\n".join(faults + [outcome.render()]))

    @staticmethod
    def _status_fault(section, outcome):
        expected = section.argument if section else "0"
        if expected in ("any", str(outcome.status)):
            return None
        return f"expected status {expected}, got {outcome.status}"

    @staticmethod
    def _stream_fault(section, stream, actual):
        if not section:
            return None
        how = section.argument
        if how == "":
            fault = match.text(section.lines, actual)
        elif how == "contains":
            fault = match.contains(section.lines, actual)
        elif how in ("json", "json ordered"):
            fault = match.json_values(section.text, actual, ordered=how == "json ordered")
        else:
            fault = "known are: no word, 'contains', 'json', 'json ordered'"
        return f"{stream} (line {section.line_number}):\n{fault}" if fault else None
