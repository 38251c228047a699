#!/usr/bin/env python3
"""Kills runs (or, with --import, imports) with SIGKILL at random moments and checks what is left.

After every kill: the state is `interrupted`, and `processed` equals the number of documents with n = 1. After the
finishing run: every n is 1, and `processed` is the number of documents."""

import argparse
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

MIGRATION = """return migrations.define {
  table = "t",
  migrateOne = function(ctx, doc)
    return { n = (doc.n or 0) + 1 }
  end,
}
"""


class Store:
    def __init__(self, program, directory):
        self.program, self.directory = program, directory

    def command(self, *words):
        return [self.program, *words]

    def run(self, *words):
        done = subprocess.run(self.command(*words), cwd=self.directory, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"mighost {' '.join(words)} exited {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def run_and_kill(self, delay_seconds, *words):
        """Whether the kill met it alive."""
        with subprocess.Popen(self.command(*words), cwd=self.directory, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE) as process:
            try:
                _, stderr = process.communicate(timeout=delay_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                return True
            if process.returncode != 0:
                sys.exit(f"mighost {' '.join(words)} exited {process.returncode}\n{stderr.decode()[-2000:]}")
            return False

    def documents_with_n(self):
        """How many there are by n; 0 where it is absent."""
        counts = {}
        with subprocess.Popen(self.command("export", "t"), cwd=self.directory, stdout=subprocess.PIPE) as process:
            for line in process.stdout:
                _, found, rest = line.rpartition(b'"n":')
                n = int(rest.rstrip(b"}\n")) if found else 0
                counts[n] = counts.get(n, 0) + 1
        if process.returncode != 0:
            sys.exit(f"the export exited {process.returncode}")
        return counts

    def status(self):
        records = json.loads(self.run("status", "--json"))
        return records[0] if records else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default=str(pathlib.Path(__file__).resolve().parent.parent / "mighost"))
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    parser.add_argument("--import", dest="importing", action="store_true", help="kill imports instead of runs")
    options = parser.parse_args()
    program = shutil.which(options.program) or sys.exit(f"there is no program {options.program}")
    print(f"{options.documents} documents, {options.kills} kills, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mighost-crash-") as directory:
        store = Store(str(pathlib.Path(program).absolute()), pathlib.Path(directory))
        (store.directory / "count.lua").write_text(MIGRATION)
        with open(store.directory / "t.jsonl", "w") as file:
            for i in range(options.documents):
                file.write(f'{{"i":{i},"name":"document {i}","tags":["a","b"],"text":"{"x" * (i * 37 % 200)}"}}\n')
        check = check_imports if options.importing else check_runs
        check(store, options, random.Random(options.seed))


def check_runs(store, options, chance):
    store.run("import", "t", "t.jsonl")
    start = time.monotonic()
    store.run("count.lua")
    whole_seconds = time.monotonic() - start
    print(f"a run takes {whole_seconds:.2f} s", flush=True)
    kills = rounds = 0
    while kills < options.kills:
        rounds += 1
        store.run("import", "t", "t.jsonl", "--replace")
        flags = ["--reset"]  # the table is another one; begin again, once
        while kills < options.kills:
            if not store.run_and_kill(chance.uniform(0, 3 * whole_seconds / options.kills), "count.lua", *flags):
                flags = []  # it came to its end
                break
            kills += 1
            counts, record = store.documents_with_n(), store.status()
            begun = counts.get(1, 0) > 0
            fresh = flags and not begun  # killed before its first commit: the record may be the old one
            if set(counts) - {0, 1} or sum(counts.values()) != options.documents:
                sys.exit(f"after kill {kills}: documents by n are {counts}")
            if not fresh and (record["state"] != "interrupted" or record["processed"] != counts.get(1, 0)):
                if not (record["state"] == "success" and counts == {1: options.documents}):
                    sys.exit(f"after kill {kills}: documents by n are {counts}, but the status is {record}")
            if begun:
                flags = []
            print(f"kill {kills}: {counts.get(1, 0)} migrated", flush=True)
        store.run("count.lua", *flags)
        counts, record = store.documents_with_n(), store.status()
        if counts != {1: options.documents} or record["state"] != "success" or \
                record["processed"] != options.documents or record["changed"] != options.documents:
            sys.exit(f"round {rounds}: documents by n are {counts}, the status is {record}")
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
