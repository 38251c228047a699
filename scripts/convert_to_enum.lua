-- Turns the boolean `isPro` into `plan`, "pro" or "basic": the new field comes and the old one goes in one patch.
return migrations.define {
  table = "teams",
  migrateOne = function(ctx, team)
    if team.plan == nil then
      ctx.db:patch(team._id, {
        plan = team.isPro == true and "pro" or "basic", -- null, too, would be true in Lua
        isPro = unset,
      })
    end
  end,
}
