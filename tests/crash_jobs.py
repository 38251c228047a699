#!/usr/bin/env python3
"""Kills workers with SIGKILL at random moments while they share jobs of every kind, and checks what is left.

A round schedules jobs that each insert a row, chains of jobs in which each schedules the next, jobs that count in one
document, jobs that fail, jobs that cancel others, one that runs a migration to its end, and a series of migrations that
is carried by jobs. Several workers serve them; one after the other is killed, and another takes its place, until nothing
is pending; meanwhile `jobs cancel` cancels some. Then every job is over and has had its effects once: no row is missing or
there twice, the count is right, what failed has left nothing but its error, what was canceled nothing at all, every
document was migrated once; and `check` finds nothing."""

import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SCRIPT = """local M = {}
M.start = mutation { handler = function(ctx)
  for n = 1, ROWS do ctx.scheduler:runAfter(0, "jobs:add", { n = n }) end
  for chain = 1, CHAINS do ctx.scheduler:runAfter(0, "jobs:link", { chain = chain, left = LINKS }) end
  for n = 1, FAILING do ctx.scheduler:runAfter(0, "jobs:fail", { n = n }) end
  ctx.db:insert("counts", { n = 0 })
  for n = 1, COUNTED do ctx.scheduler:runAfter(n, "jobs:count", {}) end
  for n = 1, VICTIMS do
    local victim = n % 2 == 0 and ctx.scheduler:runAfter(n, "jobs:victim", { n = n })
    ctx.scheduler:runAfter(n, "jobs:cancel", { n = n, victim = victim or ctx.scheduler:runAfter(n, "jobs:victim", { n = n }) })
  end
  ctx.scheduler:runAfter(0, "jobs:whole", {})
  migrations.runSerially(ctx, { M.migrate, M.last })
end }
M.victim = mutation { handler = function(ctx, args) ctx.db:insert("victims", args) end }
M.cancel = mutation { handler = function(ctx, args) ctx.scheduler:cancel(args.victim) end }
M.completed = migrations.define { table = "u", batchSize = BATCH, migrateOne = function(ctx, doc)
  return { n = (doc.n or 0) + 1 }
end }
M.whole = mutation { handler = function(ctx)
  migrations.runToCompletion(ctx, M.completed)
  ctx.db:insert("wholes", { complete = true })
end }
M.last = migrations.define { table = "t", batchSize = BATCH, migrateOne = function(ctx, doc)
  return { last = (doc.last or 0) + doc.n }
end }
M.add = mutation { args = { n = v.number() }, handler = function(ctx, args) ctx.db:insert("rows", { n = args.n }) end }
M.link = mutation { handler = function(ctx, args)
  ctx.db:insert("links", { chain = args.chain, left = args.left })
  if args.left > 1 then ctx.scheduler:runAfter(0, "jobs:link", { chain = args.chain, left = args.left - 1 }) end
end }
M.fail = mutation { handler = function(ctx, args)
  ctx.db:insert("rows", { n = -args.n })
  ctx.scheduler:runAfter(0, "jobs:add", { n = -args.n })
  error("job " .. args.n .. " fails")
end }
M.count = mutation { handler = function(ctx)
  local count = ctx.db:query("counts"):first()
  ctx.db:patch(count._id, { n = count.n + 1 })
end }
M.migrate = migrations.define { table = "t", batchSize = BATCH, migrateOne = function(ctx, doc)
  ctx.db:insert("side", { of = doc.i })
  return { n = (doc.n or 0) + 1 }
end }
M.pending = query { handler = function(ctx)
  return ctx.db.system:query("_scheduled_functions"):filter(function(job) return job.state.kind == "pending" end):count()
end }
M.states = query { handler = function(ctx)
  local states = {}
  for job in ctx.db.system:query("_scheduled_functions"):iter() do
    local kind = job.name .. " " .. job.state.kind
    states[kind] = (states[kind] or 0) + 1
  end
  return states
end }
return M
"""
SIZES = {"ROWS": 300, "CHAINS": 5, "LINKS": 60, "FAILING": 30, "COUNTED": 100, "VICTIMS": 60, "BATCH": 50}
DOCUMENTS = 2000
WORKERS = 3
TIMEOUT_SECONDS = 120


class Store:
    def __init__(self, program, directory):
        self.program, self.directory = program, directory

    def run(self, *words):
        try:
            done = subprocess.run([self.program, *words], cwd=self.directory, capture_output=True, text=True,
                                  timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            sys.exit(f"mighost {' '.join(words)} did not end within {TIMEOUT_SECONDS} s")
        if done.returncode:
            sys.exit(f"mighost {' '.join(words)} exited {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def call(self, function):
        return json.loads(self.run("run", f"jobs.lua:{function}", "--no-wait") if function == "start" else
                          self.run("run", f"jobs.lua:{function}"))

    def worker(self):
        return subprocess.Popen([self.program, "worker", "-q"], cwd=self.directory, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE)

    def rows(self, table, key):
        return [key(json.loads(line)) for line in self.run("export", table).splitlines()]


def expect(what, found, expected):
    if found != expected:
        found, expected = collections.Counter(found), collections.Counter(expected)
        sys.exit(f"{what}: missing {dict(expected - found)}, beyond what should be there {dict(found - expected)}")


def cancel_some(store, chance, canceled):
    """Cancels a job that inserts a row, and notes its number where that came before every worker."""
    jobs = [job for job in json.loads(store.run("jobs", "--state", "pending", "--json")) if job["name"] == "jobs:add"]
    if not jobs:
        return
    job = chance.choice(jobs)
    if json.loads(store.run("jobs", "cancel", job["_id"], "--json"))[0]["canceled"]:
        canceled.add(int(job["args"][0]["n"]))


def serve(store, chance, kills, canceled):
    """Kills workers until nothing is pending; returns how many. `canceled` gets the numbers of jobs that were."""
    workers = [store.worker() for _ in range(WORKERS)]
    killed, deadline = 0, time.monotonic() + TIMEOUT_SECONDS
    while store.call("pending"):
        if time.monotonic() > deadline:
            sys.exit(f"{store.call('pending')} jobs are still pending after {TIMEOUT_SECONDS} s: {store.call('states')}")
        if killed < kills:
            time.sleep(chance.uniform(0, 0.03))
            at = chance.randrange(WORKERS)
            workers[at].kill()
            workers[at].communicate()
            workers[at] = store.worker()
            killed += 1
        cancel_some(store, chance, canceled)
    for worker in workers:
        worker.terminate()
        _, stderr = worker.communicate(timeout=TIMEOUT_SECONDS)
        if worker.returncode not in (0, -signal.SIGTERM):  # the latter: it had only just been started
            sys.exit(f"a worker exited {worker.returncode}\n{stderr.decode()[-2000:]}")
    return killed


def check(store, canceled):
    sizes = SIZES
    expect("rows", sorted(store.rows("rows", lambda row: row["n"])),
           [n for n in range(1, sizes["ROWS"] + 1) if n not in canceled])
    expect("links", sorted(store.rows("links", lambda row: (row["chain"], row["left"]))),
           [(chain, left) for chain in range(1, sizes["CHAINS"] + 1) for left in range(1, sizes["LINKS"] + 1)])
    expect("counts", store.rows("counts", lambda row: row["n"]), [sizes["COUNTED"]])
    expect("visits", store.rows("t", lambda row: (row["i"], row.get("n"), row.get("last"))),
           [(i, 1, 1) for i in range(DOCUMENTS)])
    expect("visits in one", store.rows("u", lambda row: (row["i"], row.get("n"))), [(i, 1) for i in range(DOCUMENTS)])
    expect("functions that ran it", store.rows("wholes", lambda row: row["complete"]), [True])
    expect("rows aside", sorted(store.rows("side", lambda row: row["of"])), list(range(DOCUMENTS)))
    states = store.call("states")
    for migration in "migrate", "last":
        batches = states.pop(f"jobs:{migration} success", 0)
        if batches < DOCUMENTS // sizes["BATCH"]:
            sys.exit(f"the migration of {DOCUMENTS} documents took {batches} jobs")
    victims = store.rows("victims", lambda row: row["n"]) if "jobs:victim success" in states else []
    if len(victims) != len(set(victims)) or len(victims) != states.pop("jobs:victim success", 0):
        sys.exit(f"of the jobs that others cancel {victims} have left a row: {states}")
    expect("states", states, {
        "jobs:add success": sizes["ROWS"] - len(canceled), "jobs:link success": sizes["CHAINS"] * sizes["LINKS"],
        "jobs:count success": sizes["COUNTED"], "jobs:fail failed": sizes["FAILING"],
        "jobs:cancel success": sizes["VICTIMS"], "jobs:whole success": 1,
        **({"jobs:add canceled": len(canceled)} if canceled else {}),
        **({"jobs:victim canceled": sizes["VICTIMS"] - len(victims)} if len(victims) < sizes["VICTIMS"] else {})})
    records = json.loads(store.run("status", "--json"))
    if len(records) != 3 or any(record["state"] != "success" or record["processed"] != DOCUMENTS for record in records):
        sys.exit(f"the status of the migrations is {records}")
    store.run("check", "-q")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default=str(pathlib.Path(__file__).resolve().parent.parent / "mighost"))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    options = parser.parse_args()
    program = shutil.which(options.program) or sys.exit(f"there is no program {options.program}")
    chance = random.Random(options.seed)
    print(f"{WORKERS} workers, {options.kills} kills, seed {options.seed}", flush=True)
    # A kill loses nothing that was written, flushed or not: so a memory file system serves as well, and faster.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    kills = rounds = 0
    with tempfile.TemporaryDirectory(prefix="mighost-crash-", dir=memory) as directory:
        store = Store(str(pathlib.Path(program).absolute()), pathlib.Path(directory))
        script = SCRIPT
        for name, size in SIZES.items():
            script = script.replace(name, str(size))
        (store.directory / "jobs.lua").write_text(script)
        (store.directory / "t.jsonl").write_text("".join(f'{{"i":{i}}}\n' for i in range(DOCUMENTS)))
        while kills < options.kills:
            shutil.rmtree(store.directory / "mighost.db", ignore_errors=True)
            store.run("import", "t", "t.jsonl", "-q")
            store.run("import", "u", "t.jsonl", "-q")
            store.call("start")
            canceled = set()
            killed = serve(store, chance, options.kills - kills, canceled)
            check(store, canceled)
            kills, rounds = kills + killed, rounds + 1
            print(f"round {rounds}: {killed} kills, {kills} in all", flush=True)
    print(f"{kills} kills in {rounds} rounds: every job was run exactly once")
    print(f"{kills} passed, 0 failed")


if __name__ == "__main__":
    main()
