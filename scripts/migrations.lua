-- Several migrations in one file, and what runs them. A table of exports is returned:
--
--   mighost scripts/migrations.lua:addDefaultRole     runs one
--   mighost scripts/migrations.lua:runAll             runs all three, one after the other
--   mighost run scripts/migrations.lua:runIt          runs the one that it names; '{"dryRun": true}' tries it
--   mighost run scripts/migrations.lua:run '{"fn": "migrations:addDefaultRole"}'
--
-- A series stops at the first migration that fails. Run again, it skips what is complete and goes on where it stopped.
local M = {}

M.addDefaultRole = migrations.define {
  table = "users",
  migrateOne = function(ctx, user)
    if user.role == nil then
      ctx.db:patch(user._id, { role = "user" })
    end
  end,
  -- What "migrated" means here, for `mighost verify`.
  verify = function(ctx, user)
    return user.role ~= nil
  end,
}

M.clearDeprecatedField = migrations.define {
  table = "users",
  migrateOne = function()
    return { legacyField = unset }
  end,
}

M.normalizeEmails = migrations.define {
  table = "users",
  migrateOne = function(ctx, user)
    if user.email == nil then
      return
    end
    local email = str.lower(str.trim(user.email))
    if email ~= user.email then
      return { email = email }
    end
  end,
}

M.run = migrations.runner()
M.runIt = migrations.runner(M.addDefaultRole)
M.runAll = migrations.runner {
  M.addDefaultRole,
  M.clearDeprecatedField,
  M.normalizeEmails,
}

-- Below: the functions by which migrations/addUserTimestamps.lua, a migration written by hand, keeps track of itself in a table of
-- its own (schemas/track_migrations.lua). mighost keeps track of those above: `mighost status`.

local function find(ctx, name)
  return ctx.db:query("migrations"):withIndex("by_name", function(q) return q:eq("name", name) end):first()
end

M.hasMigrationRun = internalQuery {
  args = { name = v.string() },
  returns = v.boolean(),
  handler = function(ctx, args)
    local migration = find(ctx, args.name)
    return migration ~= nil and migration.status == "completed"
  end,
}

M.startMigration = internalMutation {
  args = { name = v.string() },
  returns = v.id("migrations"),
  handler = function(ctx, args)
    local existing = find(ctx, args.name)
    if existing then
      if existing.status == "completed" then
        error(("Migration %s already completed"):format(args.name))
      end
      if existing.status == "running" then
        error(("Migration %s already running"):format(args.name))
      end
      -- One that failed begins again.
      ctx.db:patch(existing._id, { status = "running", startedAt = now(), error = unset, processed = 0 })
      return existing._id
    end
    return ctx.db:insert("migrations", { name = args.name, startedAt = now(), status = "running", processed = 0 })
  end,
}

M.updateMigrationProgress = internalMutation {
  args = { migrationId = v.id("migrations"), processed = v.number() },
  returns = v.null(),
  handler = function(ctx, args)
    local migration = ctx.db:get(args.migrationId)
    if migration then
      ctx.db:patch(args.migrationId, { processed = migration.processed + args.processed })
    end
  end,
}

M.completeMigration = internalMutation {
  args = { migrationId = v.id("migrations") },
  returns = v.null(),
  handler = function(ctx, args)
    ctx.db:patch(args.migrationId, { status = "completed", completedAt = now() })
  end,
}

M.failMigration = internalMutation {
  args = { migrationId = v.id("migrations"), error = v.string() },
  returns = v.null(),
  handler = function(ctx, args)
    ctx.db:patch(args.migrationId, { status = "failed", error = args.error })
  end,
}

return M
