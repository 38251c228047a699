-- Adding a field: a query that reads users of both forms, with `avatarUrl` and without.
--
--   mighost run scripts/users.lua:getUser '{"userId": "<id>"}'
local M = {}

M.getUser = query {
  args = { userId = v.id("users") },
  returns = v.union(
    v.object {
      _id = v.id("users"),
      name = v.string(),
      email = v.string(),
      avatarUrl = v.union(v.string(), v.null()),
    },
    v.null()
  ),
  handler = function(ctx, args)
    local user = ctx.db:get(args.userId)
    if not user then
      return null
    end
    return {
      _id = user._id,
      name = user.name,
      email = user.email,
      avatarUrl = user.avatarUrl or null,
    }
  end,
}

return M
