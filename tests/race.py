#!/usr/bin/env python3
"""Races runs of every kind against other processes that write the same table: imports that append, that insert and
rewrite by _id, and a migration of another table that inserts into it.

At the end: no document was migrated twice; none is left out that was inserted before the run ended, or with catchUp
rewritten; `processed` tells how many were migrated; nothing was lost. A run along an index moves the documents in it, and
so do the others."""

import argparse
import collections
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

SCHEMA = """return defineSchema {
  t = defineTable(v.any()):index("by_k", { "k" }),
  feed = defineTable(v.any()),
}
"""
MIGRATION = """return migrations.define {
  table = "t", OPTIONS
  migrateOne = function(ctx, doc)
    for _ = 1, WORK do end
    return { n = (doc.n or 0) + 1RETURNS }
  end,
}
"""
KEYS = 100_000  # of documents that wait are below; the walk moves most of them by so much, ahead or behind
ALONG = 'customRange = function(query) return query:withIndex("by_k") end,'
MOVES = ", k = (doc.k or 0) + ({ KEYS, -KEYS, 0, 10 })[(doc.i or 0) % 4 + 1]".replace("KEYS", str(KEYS))


class Kind:
    def __init__(self, name, options, moves=False):
        self.name, self.options, self.moves = name, options, moves
        self.catches_up = "catchUp" in options

    def script(self, work):
        return MIGRATION.replace("OPTIONS", self.options).replace("WORK", str(work)).replace(
            "RETURNS", MOVES if self.moves else "")

    def key(self, i):
        """Of a document of the first ones, afterwards."""
        return key_of(i) + self.moves * (KEYS, -KEYS, 0, 10)[i % 4]


KINDS = [
    Kind("in key order", ""),
    Kind("along an index, catching up", ALONG + " catchUp = true,", moves=True),
    Kind("in key order, catching up", "catchUp = true,"),
    Kind("along an index", ALONG, moves=True),
    Kind("in parallel", "parallelize = true,"),
]


def key_of(i):
    return i * 7919 % KEYS


FEEDER = """return migrations.define {
  table = "feed",
  batchSize = 3,
  migrateOne = function(ctx, doc)
    ctx.db:insert("t", { from = doc._id })
    return { fed = true }
  end,
}
"""
FED = 200
TIMEOUT_SECONDS = 120
PAUSE_SECONDS = 0.03  # of a writer between imports; without it three writers insert faster than one run migrates


class Race:
    def __init__(self, program, directory):
        self.program, self.directory = program, directory
        self.over = threading.Event()
        self.inserted = []  # (what its documents hold, when the command had ended in ms since the epoch)
        self.faults = []

    def run(self, *words, stdin=""):
        try:
            done = subprocess.run([self.program, *words], cwd=self.directory, input=stdin, capture_output=True,
                                  text=True, timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.faults.append(f"mighost {' '.join(words)} did not end within {TIMEOUT_SECONDS} s")
            self.over.set()
            return ""
        if done.returncode != 0:
            self.faults.append(f"mighost {' '.join(words)} exited {done.returncode}\n{done.stderr[-2000:]}")
            self.over.set()
        return done.stdout

    def append(self):
        for round_number in self._rounds():
            mark = f"append {round_number}"
            self.run("import", "t", "-", "--append", stdin=json_lines({"mark": mark, "k": random.randrange(KEYS)} for _ in range(5)))
            self.inserted.append((mark, time.time() * 1000))

    def append_behind(self):
        """With creation times long past, so that most land behind the cursor."""
        chance = random.Random(1)
        for round_number in self._rounds():
            mark = f"behind {round_number}"
            documents = ({"mark": mark, "_creationTime": chance.uniform(1.4e12, 1.5e12)} for _ in range(3))
            self.run("import", "t", "-", "--append", stdin=json_lines(documents))
            self.inserted.append((mark, time.time() * 1000))

    def upsert(self):
        """New documents, and some of the first ones rewritten."""
        for round_number in self._rounds():
            mark = f"upsert {round_number}"
            new = [{"_id": f"new {round_number} {i}", "mark": mark} for i in range(3)]
            rewritten = [{"_id": f"d{round_number * 13 % 500 + i}", "again": round_number, "k": random.randrange(-KEYS, KEYS)}
                         for i in range(3)]
            self.run("import", "t", "-", "--upsert", stdin=json_lines(new + rewritten))
            self.inserted.append((mark, time.time() * 1000))

    def feed(self):
        self.run("feeder.lua")

    def _rounds(self):
        round_number = 0
        while not self.over.wait(PAUSE_SECONDS):
            round_number += 1
            yield round_number


def json_lines(documents):
    return "".join(json.dumps(document) + "\n" for document in documents)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default=str(pathlib.Path(__file__).resolve().parent.parent / "mighost"))
    parser.add_argument("--documents", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=2, help="about how long a run takes alone")
    parser.add_argument("--rounds", type=int, default=1, help="one kind after the other, with batches of other sizes")
    parser.add_argument("--seed", type=int, default=time.time_ns())
    options = parser.parse_args()
    program = shutil.which(options.program) or sys.exit(f"there is no program {options.program}")
    print(f"{options.rounds} rounds, seed {options.seed}", flush=True)
    chance = random.Random(options.seed)
    for round_number in range(options.rounds):
        batch_size = 0 if round_number == 0 else chance.choice([0, 1, 7, 100, 1000])
        seconds = options.seconds if round_number == 0 else options.seconds * chance.uniform(0.1, 1.5)
        with tempfile.TemporaryDirectory(prefix="mighost-race-") as directory:
            race = Race(str(pathlib.Path(program).absolute()), pathlib.Path(directory))
            run(race, KINDS[round_number % len(KINDS)], options.documents, seconds, batch_size)
    print(f"every document was migrated exactly once\n{options.rounds} passed, 0 failed")


def run(race, kind, document_count, seconds, batch_size):
    race.run("import", "t", "-",
             stdin=json_lines({"_id": f"d{i}", "i": i, "k": key_of(i)} for i in range(document_count)))
    race.run("import", "feed", "-", stdin=json_lines({"i": i} for i in range(FED)))
    work = int(seconds / document_count * 2e8)  # turns of an empty loop: about 5 ns each
    (race.directory / "schema.lua").write_text(SCHEMA)
    race.run("deploy", "schema.lua")
    (race.directory / "count.lua").write_text(kind.script(work))
    (race.directory / "feeder.lua").write_text(FEEDER)
    writers = [threading.Thread(target=writer) for writer in (race.append, race.append_behind, race.upsert, race.feed)]
    for writer in writers:
        writer.start()
    start = time.monotonic()
    race.run("count.lua", *(["--batch-size", str(batch_size)] if batch_size else []))
    took_seconds = time.monotonic() - start
    race.over.set()
    for writer in writers:
        writer.join()
    if race.faults:
        sys.exit("\n".join(race.faults))
    stored = check(race, kind, document_count)
    if race.faults:
        sys.exit("\n".join(race.faults))
    print(f"{kind.name}: {stored - document_count} documents inserted by {len(race.inserted)} imports and another migration "
          f"during {took_seconds:.1f} s, {f'{batch_size} a batch' if batch_size else 'batches by time'}", flush=True)


def check(race, kind, document_count):
    """Returns how many documents there are."""
    stored = [json.loads(line) for line in race.run("export", "t").splitlines()]
    record = next(record for record in json.loads(race.run("status", "--json")) if record["name"] == "count")
    twice = [document for document in stored if document.get("n", 1) != 1]
    if twice:
        sys.exit(f"migrated more than once: {twice[:5]}")
    before_end = {mark for mark, ended in race.inserted if ended < record["latestEnd"]}
    left_out = [document for document in stored if "n" not in document
                and (document.get("mark") in before_end or "i" in document
                     or kind.catches_up and f"upsert {document.get('again')}" in before_end)]
    if left_out:
        sys.exit(f"{len(left_out)} left out, among them: {left_out[:5]}")
    misplaced = [document for document in stored if "i" in document and document["k"] != kind.key(document["i"])]
    if misplaced:
        sys.exit(f"{len(misplaced)} have a key that nobody gave them: {misplaced[:5]}")
    missing = {f"d{i}" for i in range(document_count)} - {document["_id"] for document in stored}
    marks = collections.Counter(document.get("mark") for document in stored)
    incomplete = [mark for mark, _ in race.inserted if marks[mark] != (5 if mark.startswith("append") else 3)]
    if missing or incomplete:
        sys.exit(f"lost: {sorted(missing)[:5]} {incomplete[:5]}")
    fed = sum("from" in document for document in stored)
    if fed != FED:
        sys.exit(f"the other migration inserted {fed} documents instead of {FED}")
    # A rewritten document was migrated too, before or after; only afterwards has it no n.
    migrated = sum("n" in document or "again" in document for document in stored)
    if record["state"] != "success" or record["processed"] != migrated:
        sys.exit(f"{migrated} documents were migrated, but the status is {record}")
    race.run("check", "-q")
    return len(stored)


if __name__ == "__main__":
    main()
