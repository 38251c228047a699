-- Removes a field on several threads. `parallelize` pays where the function itself takes long; what it stores is the same
-- as without.
return migrations.define {
  table = "myTable",
  parallelize = true,
  migrateOne = function()
    return { optionalField = unset }
  end,
}
