-- Gives every user without a role the role "user".
return migrations.define {
  table = "users",
  migrateOne = function(ctx, user)
    if user.role == nil then
      ctx.db:patch(user._id, { role = "user" })
    end
  end,
}
