-- Removing a field: `replace` with the rest of the document. `replace` keeps `_id` and `_creationTime`.
--
--   mighost run scripts/remove_field.lua:removeDeprecatedField
--
-- Then the schema goes without it: schemas/remove_field.lua. As a migration: clear_deprecated_field.lua.
local M = {}

M.removeDeprecatedField = internalMutation {
  args = { cursor = v.optional(v.string()) },
  returns = v.null(),
  handler = function(ctx, args)
    local result = ctx.db:query("posts"):paginate { numItems = 100, cursor = args.cursor or null }
    for _, post in ipairs(result.page) do
      if post.legacyField ~= nil then
        ctx.db:replace(post._id, omit(post, "legacyField"))
      end
    end
    if not result.isDone then
      ctx.scheduler:runAfter(0, M.removeDeprecatedField, { cursor = result.continueCursor })
    end
  end,
}

return M
