-- Adding a field: fills in `avatarUrl`, a page of 100 users a call. Each call is one transaction, and schedules the next in it.
--
--   mighost run scripts/backfill.lua:backfillAvatarUrl
--
-- The schemas before and after are schemas/add_optional_field.lua and add_optional_field_done.lua; users.lua reads both forms.
local BATCH_SIZE = 100

local function defaultAvatar(name)
  return "https://api.dicebear.com/7.x/initials/svg?seed=" .. str.encodeURIComponent(name)
end

local M = {}

M.backfillAvatarUrl = internalMutation {
  args = { cursor = v.optional(v.union(v.string(), v.null())) },
  returns = v.object { processed = v.number(), hasMore = v.boolean() },
  handler = function(ctx, args)
    local result = ctx.db:query("users"):paginate { numItems = BATCH_SIZE, cursor = args.cursor or null }
    local processed = 0
    for _, user in ipairs(result.page) do
      if user.avatarUrl == nil then
        ctx.db:patch(user._id, { avatarUrl = defaultAvatar(user.name) })
        processed = processed + 1
      end
    end
    if not result.isDone then
      ctx.scheduler:runAfter(0, "backfill:backfillAvatarUrl", { cursor = result.continueCursor })
    end
    return { processed = processed, hasMore = not result.isDone }
  end,
}

return M
