-- Dual write: while `isPro` becomes `plan`, everything that writes teams writes both, and everything reads the old one. So one may
-- go back at any point: the old form is always up to date.
--
--   mighost run scripts/dual_write.lua:createTeam '{"name": "Ada", "isPro": true}'
--   mighost scripts/dual_write.lua:addPlan
--
-- Once addPlan is done readers may change to `plan`, and then `isPro` goes: remove_is_pro.lua.
local M = {}

-- Bad: a team that only has `plan` is no pro to those that still read `isPro`.
M.createTeamBad = mutation {
  args = { name = v.string(), isPro = v.boolean() },
  handler = function(ctx, args)
    ctx.db:insert("teams", { name = args.name, plan = args.isPro and "pro" or "basic" })
  end,
}

-- Good: both forms.
M.createTeam = mutation {
  args = { name = v.string(), isPro = v.boolean() },
  handler = function(ctx, args)
    local plan = args.isPro and "pro" or "basic"
    ctx.db:insert("teams", { name = args.name, isPro = args.isPro, plan = plan })
  end,
}

-- The teams that were there before. `isPro` stays: it is what is read.
M.addPlan = migrations.define {
  table = "teams",
  migrateOne = function(ctx, team)
    if team.plan == nil then
      return { plan = team.isPro == true and "pro" or "basic" }
    end
  end,
}

return M
