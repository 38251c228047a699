-- Removes `isPro` from the teams that have it; the others are not written.
return migrations.define {
  table = "teams",
  migrateOne = function(ctx, team)
    if team.isPro ~= nil then
      ctx.db:patch(team._id, { isPro = unset })
    end
  end,
}
