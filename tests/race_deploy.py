#!/usr/bin/env python3
"""Races `mighost deploy` against other processes: one imports a document that does not fit at a random moment; deploys are
killed at random moments and run again, while another process inserts and a migration rewrites what the indexes hold.

At the end of each round `mighost check` must find the store sound, and the schema be active only if every document fits."""
import argparse
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

WIDE = "return defineSchema {}\n"
NARROW = """return defineSchema {
  users = defineTable { n = v.number(), name = v.string(), times = v.optional(v.number()), big = v.optional(v.string()) }
    :index("by_n", { "n" }):index("by_name_times", { "name", "times" }):index("by_big", { "big" }),
}
"""
MIGRATION = """return migrations.define {
  table = "users",
  migrateOne = function(ctx, user) return { times = (user.times or 0) + 1, n = -user.n } end,
}
"""
SECONDS_MAX = 60


class Store:
    def __init__(self, program, directory):
        self.program, self.directory = program, directory
        for name, text in (("wide.lua", WIDE), ("narrow.lua", NARROW), ("migrate.lua", MIGRATION)):
            (directory / name).write_text(text)

    def start(self, *words, **options):
        return subprocess.Popen([self.program, *words], cwd=self.directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **options)

    def run(self, *words, text="", expect=(0,)):
        process = self.start(*words)
        out, err = process.communicate(text, timeout=SECONDS_MAX)
        if process.returncode not in expect:
            raise AssertionError(f"mighost {' '.join(words)} exited {process.returncode}\n{out[-800:]}{err[-800:]}")
        return process.returncode, out, err

    def fill(self, count):
        lines = (json.dumps({"n": i * 7919 % count, "name": f"name {i % 17}", "big": "x" * (600 if i % 50 == 0 else i % 9)})
                 for i in range(count))
        self.run("import", "users", "-", text="\n".join(lines))


def race_breaking_write(store, took):
    """One document that does not fit comes at a random moment of the deploy."""
    deploying = store.start("deploy", "narrow.lua")
    time.sleep(random.random() * took * 1.2)
    written, _, _ = store.run("import", "users", "-", "--append", text='{"n":"no number","name":"x"}\n', expect=(0, 1))
    deploying.communicate(timeout=SECONDS_MAX)
    assert deploying.returncode in (0, 1), f"deploy exited {deploying.returncode}"
    active = deploying.returncode == 0
    assert not (active and written == 0), "the schema became active over a document that does not fit"
    store.run("check")
    _, out, _ = store.run("export", "users")
    assert ('"no number"' in out) == (written == 0), "the document that was stored is not there"
    if written == 0:  # as it was before
        keep = "".join(line + "\n" for line in out.splitlines() if '"no number"' not in line)
        store.run("import", "users", "-", "--replace", text=keep)
    store.run("deploy", "wide.lua")
    return active


def kill_and_resume(store, took):
    """Killed at random moments, again and again, while others write; then run to its end."""
    feeding = store.start("import", "users", "-", "--append")
    migrating = store.start("migrate.lua", "--reset")
    for _ in range(3):
        deploying = store.start("deploy", "narrow.lua")
        time.sleep(random.random() * took)
        deploying.kill()
        deploying.communicate()
    for i in range(40):
        feeding.stdin.write(json.dumps({"n": -i, "name": f"late {i}"}) + "\n")
    feeding.communicate(timeout=SECONDS_MAX)
    migrating.communicate(timeout=SECONDS_MAX)
    assert feeding.returncode == 0 and migrating.returncode == 0, "a writer was disturbed"
    store.run("deploy", "narrow.lua")
    store.run("check")
    store.run("deploy", "wide.lua")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default=str(pathlib.Path(__file__).resolve().parent.parent / "mighost"))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--documents", type=int, default=20000)
    arguments = parser.parse_args()
    passed = failed = active = 0
    for round_number in range(arguments.rounds):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="mighost-race-"))
        try:
            store = Store(arguments.program, directory)
            store.fill(arguments.documents)
            began = time.monotonic()
            store.run("deploy", "narrow.lua")
            took = time.monotonic() - began
            store.run("deploy", "wide.lua")
            for _ in range(3):
                active += race_breaking_write(store, took)
            kill_and_resume(store, took)
            passed += 1
        except (AssertionError, subprocess.TimeoutExpired) as fault:
            print(f"round {round_number}: {fault}")
            failed += 1
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"deploys raced: {3 * arguments.rounds}, of which {active} became active before the write")
    print(f"{passed} passed, {failed} failed")
    return failed > 0


sys.exit(main())
