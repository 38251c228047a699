-- Migrations that functions start, watch and cancel. What is started is stored with the mutation; a worker carries it out, a batch
-- at a time, and so does the `mighost run` that started it.
--
--   mighost run scripts/from_functions.lua:start
--   mighost run scripts/from_functions.lua:startAll --no-wait     leaves it to `mighost worker`
--   mighost run scripts/from_functions.lua:status
--   mighost run scripts/from_functions.lua:cancel
local M = {}

M.start = internalMutation {
  handler = function(ctx)
    return migrations.runOne(ctx, "migrations:addDefaultRole")
  end,
}

-- One after the other; what is complete is passed over.
M.startAll = internalMutation {
  handler = function(ctx)
    return migrations.runSerially(ctx, {
      "migrations:addDefaultRole",
      "migrations:clearDeprecatedField",
      "migrations:normalizeEmails",
    })
  end,
}

M.status = internalQuery {
  handler = function(ctx)
    return migrations.getStatus(ctx, { limit = 10 })
  end,
}

M.cancel = internalMutation {
  handler = function(ctx)
    return migrations.cancel(ctx, "migrations:addDefaultRole")
  end,
}

return M
