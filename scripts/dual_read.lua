-- Dual read: everything that writes teams writes `plan` only, and everything reads either form. The data is never there twice; going
-- back is harder, since new teams have the new form only.
--
--   mighost run scripts/dual_read.lua:createTeam '{"name": "Ada", "isPro": true}'
--   mighost scripts/convert_to_enum.lua
--   mighost run scripts/dual_read.lua:plans
local function getTeamPlan(team)
  if team.plan ~= nil then
    return team.plan
  end
  return team.isPro == true and "pro" or "basic" -- null, too, would be true in Lua
end

local M = {}

M.createTeam = mutation {
  args = { name = v.string(), isPro = v.boolean() },
  handler = function(ctx, args)
    ctx.db:insert("teams", { name = args.name, plan = args.isPro and "pro" or "basic" })
  end,
}

-- Every team's name and plan.
M.plans = query {
  args = {},
  returns = v.array(v.array(v.string())),
  handler = function(ctx)
    local plans = {}
    for i, team in ipairs(ctx.db:query("teams"):collect()) do
      plans[i] = { team.name, getTeamPlan(team) }
    end
    return plans
  end,
}

return M
