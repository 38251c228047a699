-- Removes a field that nothing reads any more. A table that is returned is applied as a patch.
return migrations.define {
  table = "users",
  migrateOne = function()
    return { legacyField = unset }
  end,
}
