-- Moves each user's `preferences` into a table of their own. The insert and the patch are stored together or not at all.
-- A user who has a row there already keeps it: the application may be writing to the new table by now.
return migrations.define {
  table = "users",
  migrateOne = function(ctx, user)
    if user.preferences == nil then
      return
    end
    local existing = ctx.db
      :query("userPreferences")
      :withIndex("by_user", function(q) return q:eq("userId", user._id) end)
      :first()
    if not existing then
      ctx.db:insert("userPreferences", merge({ userId = user._id }, user.preferences))
    end
    ctx.db:patch(user._id, { preferences = unset })
  end,
}
