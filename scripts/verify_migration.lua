-- Asks which users are not migrated yet. `mighost verify NAME` does this for any migration.
--
--   mighost run scripts/verify_migration.lua
return query {
  handler = function(ctx)
    local remaining = ctx.db:query("users"):filter(function(user) return user.role == nil end):take(10)
    local ids = array {}
    for i, user in ipairs(remaining) do
      ids[i] = user._id
    end
    return { complete = #remaining == 0, sampleRemaining = ids }
  end,
}
