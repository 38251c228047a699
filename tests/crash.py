#!/usr/bin/env python3
"""Kills runs of every kind (or, with --import, imports) with SIGKILL at random moments and checks what is left.

A round takes a fresh copy of a store and runs one migration over it, killed and taken up again until it is complete; then
every document was migrated exactly once: by its own count, by the rows it inserted into another table, by the rows of
those that were skipped; and `check` finds nothing. After every kill `status` says `interrupted`, or that the run had
ended by then; after some of them its count is compared with the documents."""

import argparse
import collections
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

SCHEMA = """return defineSchema {
  t = defineTable(v.any()):index("by_k", { "k" }),
  side = defineTable(v.any()),
}
"""
FAILS_EVERY = 97
ON_DISK_EVERY = 10  # kills: after so many of them the documents themselves are looked at
TIMEOUT_SECONDS = 120


class Kind:
    """A migration. `doc.n` counts the visits of a document."""
    name = "plain"
    options = ""
    body = ""
    returns = "{ n = (doc.n or 0) + 1 }"
    may_repeat = True  # with --reset, in the same store

    def script(self, documents, mended=False):
        return (f'return migrations.define {{\n  table = "t", {self.options}\n  migrateOne = function(ctx, doc)\n'
                f"    {'' if mended else self.body}\n    return {self.returns}\n  end,\n}}\n").replace("COUNT", str(documents))

    def visits(self, _i, _documents):
        """Whether the document is in its range."""
        return True

    def key(self, i, documents):
        """Its k afterwards."""
        return key_of(i, documents)


class Aside(Kind):
    name = "inserts aside"
    body = 'ctx.db:insert("side", { of = doc.i })'


class Parallel(Aside):
    name = "in parallel"
    options = "parallelize = true,"


class Skipping(Kind):
    name = "skips"
    options = 'onError = "skip",'
    body = f'if doc.i % {FAILS_EVERY} == 5 then error("document " .. doc.i .. " fails") end'
    may_repeat = False


class Walk(Aside):
    """Over the last fifth of an index; the key of each document moves ahead, behind, nowhere, or a little."""
    name = "walks an index"
    options = 'customRange = function(query) return query:withIndex("by_k", function(q) return q:gte("k", COUNT * 4 // 5) end) end,'
    returns = "{ n = (doc.n or 0) + 1, k = doc.k + ({ COUNT, -COUNT, 0, 10 })[doc.i % 4 + 1] }"
    may_repeat = False

    def visits(self, i, documents):
        return key_of(i, documents) >= documents * 4 // 5

    def key(self, i, documents):
        return key_of(i, documents) + self.visits(i, documents) * (documents, -documents, 0, 10)[i % 4]


KINDS = [Kind(), Aside(), Skipping(), Walk(), Parallel()]


def key_of(i, documents):
    return i * 7919 % documents  # 7919 is prime: another order than that of the table


class Store:
    def __init__(self, program, directory):
        self.program, self.directory = program, directory

    def run(self, *words, statuses=(0,)):
        try:
            done = subprocess.run([self.program, *words], cwd=self.directory, capture_output=True, text=True,
                                  timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            sys.exit(f"mighost {' '.join(words)} did not end within {TIMEOUT_SECONDS} s")
        if done.returncode not in statuses:
            sys.exit(f"mighost {' '.join(words)} exited {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def run_and_kill(self, delay_seconds, *words, statuses=(0,)):
        """Whether the kill met it alive."""
        with subprocess.Popen([self.program, *words], cwd=self.directory, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE) as process:
            try:
                _, stderr = process.communicate(timeout=delay_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                return True
            if process.returncode not in statuses:
                sys.exit(f"mighost {' '.join(words)} exited {process.returncode}\n{stderr.decode()[-2000:]}")
            return False

    def rows_aside(self):
        """Of which documents there are."""
        return sorted(map(int, re.findall(r'"of":(\d+)', self.run("export", "side"))))

    def skipped(self):
        """Which documents are listed as skipped, and how often each."""
        rows = json.loads(self.run("errors", "m", "--json"))
        return collections.Counter(int(re.search(r"document (\d+) fails", row["message"])[1]) for row in rows)

    def status(self):
        records = json.loads(self.run("status", "--json"))
        return records[0] if records else None

    def renew(self, base):
        shutil.rmtree(self.directory / "mighost.db", ignore_errors=True)
        shutil.copytree(base, self.directory / "mighost.db")


class Expected:
    """What an export gives afterwards."""

    def __init__(self, before):
        self.lines = before.splitlines()
        self.made = {}

    def text(self, kind, visits, leaves_out=()):
        """Visited so often each, but those left out."""
        key = kind.name, visits, len(leaves_out)
        if key not in self.made:
            self.made[key] = "".join(self._line(kind, i, 0 if i in leaves_out else visits) for i in range(len(self.lines)))
        return self.made[key]

    def _line(self, kind, i, visits):
        count = len(self.lines)
        if not visits or not kind.visits(i, count):
            return self.lines[i] + "\n"
        moved = self.lines[i].replace(f'"k":{key_of(i, count)},', f'"k":{kind.key(i, count)},')
        return moved[:-1] + f',"n":{visits}}}\n'


class Round:
    """One migration of one store, until it is complete."""

    def __init__(self, store, kind, expected, chance, seconds):
        self.store, self.kind, self.expected, self.chance = store, kind, expected, chance
        self.documents = len(expected.lines)
        self.flags = chance.choice([[], ["--batch-size", "1000"], ["--batch-size", "100"]])
        self.longest_seconds = seconds / chance.choice([1, 2, 4])
        self.kills = 0

    def run(self, kills_allowed):
        """Returns how often it was killed."""
        self._write_script()
        if isinstance(self.kind, Skipping):
            self._kill_until_done(kills_allowed, [], 1, "failed")
            self._check_skipped()
            self._write_script(mended=True)
            self._kill_until_done(kills_allowed, ["--retry-failed"], 1, "success")
            if self.store.skipped():
                self._fail("documents are listed as skipped after the retry")
        else:
            self._kill_until_done(kills_allowed, [], 1, "success")
        self._check(1)
        if self.kind.may_repeat and self.kills < kills_allowed and self.chance.random() < 0.3:
            self._kill_until_done(kills_allowed, ["--reset"], 2, "success")
            self._check(2)
        self.store.run("check", "-q")
        return self.kills

    def _write_script(self, mended=False):
        (self.store.directory / "m.lua").write_text(self.kind.script(self.documents, mended))

    def _kill_until_done(self, kills_allowed, flags, visits, state):
        """`visits`: of each document then; `state`: the one it ends in."""
        statuses = (1,) if state == "failed" else (0,)
        before = self.store.status()
        while self.kills < kills_allowed:
            words = ["m.lua", *self.flags, *flags]
            if not self.store.run_and_kill(self.chance.uniform(0, self.longest_seconds), *words, statuses=statuses):
                break
            self.kills += 1
            record = self.store.status()
            if record == before:
                continue  # it had not begun
            if flags == ["--reset"]:
                flags = []  # it has begun anew, which is to happen once
            self._check_killed(record, visits, state)
        else:
            self.store.run("m.lua", *self.flags, *flags, statuses=statuses)
        record = self.store.status()
        if record["state"] != state:
            self._fail(f"it ended, but the status is {record}")

    def _check_killed(self, record, visits, state):
        if record["state"] not in ("interrupted", state):
            self._fail(f"after kill {self.kills} the status is {record}")
        if self.kills % ON_DISK_EVERY == 0:
            migrated = self.store.run("export", "t").count(f'"n":{visits}}}\n')
            if migrated != record["changed"]:
                self._fail(f"after kill {self.kills}: {migrated} documents were migrated, but the status is {record}")

    def _check_skipped(self):
        expected = {i: 1 for i in range(self.documents) if i % FAILS_EVERY == 5}
        if self.store.skipped() != expected:
            self._fail(f"{len(self.store.skipped())} documents are listed as skipped instead of {len(expected)}, or not each once")
        self._compare(self.store.run("export", "t"), self.expected.text(self.kind, 1, expected))

    def _check(self, visits):
        self._compare(self.store.run("export", "t"), self.expected.text(self.kind, visits))
        record = self.store.status()
        visited = [i for i in range(self.documents) if self.kind.visits(i, self.documents)]
        if record["processed"] != len(visited) or record["changed"] != len(visited):
            self._fail(f"{len(visited)} documents were visited, but the status is {record}")
        if isinstance(self.kind, Aside):
            rows = self.store.rows_aside()
            if rows != sorted(visited * visits):
                self._fail(f"{len(rows)} rows aside of {len(visited)} documents, or not of each as many")

    def _compare(self, found, expected):
        if found == expected:
            return
        differing = [lines for lines in itertools.zip_longest(found.splitlines(), expected.splitlines())
                     if lines[0] != lines[1]]
        self._fail(f"{len(differing)} documents are not as they should be: " + "".join(
            f"\n  found    {lines[0]}\n  expected {lines[1]}" for lines in differing[:5]))

    def _fail(self, what):
        sys.exit(f"{self.kind.name} {' '.join(self.flags)}: {what}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default=str(pathlib.Path(__file__).resolve().parent.parent / "mighost"))
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    parser.add_argument("--import", dest="importing", action="store_true", help="kill imports instead of runs")
    options = parser.parse_args()
    program = shutil.which(options.program) or sys.exit(f"there is no program {options.program}")
    print(f"{options.documents} documents, {options.kills} kills, seed {options.seed}", flush=True)
    # A kill loses nothing that was written, flushed or not: so a memory file system serves as well, and faster.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="mighost-crash-", dir=memory) as directory:
        store = Store(str(pathlib.Path(program).absolute()), pathlib.Path(directory))
        with open(store.directory / "t.jsonl", "w") as file:
            for i in range(options.documents):
                file.write(f'{{"i":{i},"k":{key_of(i, options.documents)},"name":"document {i}","tags":["a","b"]}}\n')
        check = check_imports if options.importing else check_runs
        check(store, options, random.Random(options.seed))


def check_runs(store, options, chance):
    (store.directory / "schema.lua").write_text(SCHEMA)
    store.run("import", "t", "t.jsonl")
    store.run("deploy", "schema.lua")
    expected = Expected(store.run("export", "t"))
    base = store.directory / "base.db"
    (store.directory / "mighost.db").rename(base)
    seconds = {}
    kills = rounds = 0
    while kills < options.kills:
        kind = KINDS[rounds % len(KINDS)]
        store.renew(base)
        if kind.name not in seconds:  # how long a whole run takes
            (store.directory / "m.lua").write_text(kind.script(options.documents))
            start = time.monotonic()
            store.run("m.lua", statuses=(0, 1))
            seconds[kind.name] = time.monotonic() - start
            store.renew(base)
        this = Round(store, kind, expected, chance, seconds[kind.name])
        kills += this.run(options.kills - kills)
        rounds += 1
        print(f"round {rounds}: {kind.name} {' '.join(this.flags)}: {this.kills} kills, {kills} in all", flush=True)
    print(f"{kills} kills in {rounds} rounds: every document was migrated exactly once")
    print(f"{kills} passed, 0 failed")


def check_imports(store, options, chance):
    start = time.monotonic()
    store.run("import", "t", "t.jsonl")
    whole_seconds = time.monotonic() - start
    everything = list(range(options.documents))
    (store.directory / "old.jsonl").write_text('{"i":-2}\n{"i":-1}\n')
    kills = 0
    for number in range(options.kills):
        flag = ("--replace", "--append")[number % 2]
        store.run("import", "t", "old.jsonl", "--replace")
        kills += store.run_and_kill(chance.uniform(0, whole_seconds), "import", "t", "t.jsonl", flag)
        found = [json.loads(line)["i"] for line in store.run("export", "t").splitlines()]
        if flag == "--append":  # batch by batch: the old ones, then the first of the file
            whole = found == [-2, -1] + everything[:len(found) - 2]
        else:
            whole = found in ([-2, -1], everything)
        if not whole:
            sys.exit(f"a killed import {flag} left {len(found)} documents: {found[:5]} … {found[-5:]}")
        print(f"kill {kills}: {len(found)} documents after {flag}", flush=True)
    store.run("import", "t", "t.jsonl", "--replace")
    print(f"{kills} kills: every import was whole, absent, or (--append) whole up to a document")
    print(f"{kills} passed, 0 failed")


if __name__ == "__main__":
    main()
