-- A migration written by hand, on the functions of ../migrations.lua that keep track of it: a page of 100 users a call, each of
-- which schedules the next. The schema is schemas/complete.lua.
--
--   mighost run scripts/migrations/addUserTimestamps.lua:run
--
-- What add_role.lua and its like do without any of this: batches, progress, resuming, running once.
local MIGRATION_NAME = "add_user_timestamps_v1"
local BATCH_SIZE = 100

local M = {}

-- Stamps one page, and completes the migration or schedules the next page.
local function stampPage(ctx, migrationId, cursor)
  local result = ctx.db:query("users"):paginate { numItems = BATCH_SIZE, cursor = cursor }
  local processed = 0
  for _, user in ipairs(result.page) do
    if user.createdAt == nil then
      ctx.db:patch(user._id, { createdAt = user._creationTime, updatedAt = user._creationTime })
      processed = processed + 1
    end
  end
  ctx.runMutation("migrations:updateMigrationProgress", { migrationId = migrationId, processed = processed })
  if not result.isDone then
    ctx.scheduler:runAfter(0, M.run, { migrationId = migrationId, cursor = result.continueCursor })
  else
    ctx.runMutation("migrations:completeMigration", { migrationId = migrationId })
    console.log(("Migration %s completed"):format(MIGRATION_NAME))
  end
end

M.run = internalMutation {
  args = { migrationId = v.optional(v.id("migrations")), cursor = v.optional(v.string()) },
  returns = v.null(),
  handler = function(ctx, args)
    local migrationId = args.migrationId
    if migrationId == nil then
      if ctx.runQuery("migrations:hasMigrationRun", { name = MIGRATION_NAME }) then
        console.log(("Migration %s already completed"):format(MIGRATION_NAME))
        return
      end
      migrationId = ctx.runMutation("migrations:startMigration", { name = MIGRATION_NAME })
    end
    local ok, failure = pcall(stampPage, ctx, migrationId, args.cursor or null)
    if not ok then
      -- As in Convex, raising the error again takes back this, too: a mutation is stored whole or not at all.
      ctx.runMutation("migrations:failMigration", { migrationId = migrationId, error = tostring(failure) })
      error(failure, 0)
    end
  end,
}

return M
