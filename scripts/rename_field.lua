-- Renaming a field: `displayName` is copied from `userName`, and until that is done readers fall back to the old name.
--
--   mighost deploy scripts/schemas/rename_field.lua
--   mighost run scripts/rename_field.lua:backfillDisplayName
--
-- The last schema, schemas/rename_field_done.lua, refuses documents that still have `userName`: `mighost new --fix` writes
-- the migration that removes it.
local M = {}

M.getUser = query {
  args = { userId = v.id("users") },
  returns = v.object { _id = v.id("users"), displayName = v.string() },
  handler = function(ctx, args)
    local user = ctx.db:get(args.userId)
    if not user then
      error("User not found")
    end
    return { _id = user._id, displayName = user.displayName or user.userName }
  end,
}

M.backfillDisplayName = internalMutation {
  args = { cursor = v.optional(v.string()) },
  returns = v.null(),
  handler = function(ctx, args)
    local result = ctx.db:query("users"):paginate { numItems = 100, cursor = args.cursor or null }
    for _, user in ipairs(result.page) do
      if user.displayName == nil then
        ctx.db:patch(user._id, { displayName = user.userName })
      end
    end
    if not result.isDone then
      ctx.scheduler:runAfter(0, M.backfillDisplayName, { cursor = result.continueCursor })
    end
  end,
}

return M
