-- Several migrations in one file, and a series of them. A table of exports is returned:
--
--   mighost scripts/migrations.lua:addDefaultRole     runs one
--   mighost scripts/migrations.lua:runAll             runs all three, one after the other
--
-- A series stops at the first migration that fails. Run again, it skips what is complete and goes on where it stopped.
local M = {}

M.addDefaultRole = migrations.define {
  table = "users",
  migrateOne = function(ctx, user)
    if user.role == nil then
      ctx.db:patch(user._id, { role = "user" })
    end
  end,
  -- What "migrated" means here, for `mighost verify`.
  verify = function(ctx, user)
    return user.role ~= nil
  end,
}

M.clearDeprecatedField = migrations.define {
  table = "users",
  migrateOne = function()
    return { legacyField = unset }
  end,
}

M.normalizeEmails = migrations.define {
  table = "users",
  migrateOne = function(ctx, user)
    if user.email == nil then
      return
    end
    local email = str.lower(str.trim(user.email))
    if email ~= user.email then
      return { email = email }
    end
  end,
}

M.runAll = migrations.runner {
  M.addDefaultRole,
  M.clearDeprecatedField,
  M.normalizeEmails,
}

return M
