-- A small table, filled in by one mutation: one transaction, and all documents are in memory at once. For anything larger write a
-- migration.
--
--   mighost run scripts/backfill_small_table.lua
return internalMutation {
  handler = function(ctx)
    for _, doc in ipairs(ctx.db:query("smallConfig"):collect()) do
      if doc.newField == nil then
        ctx.db:patch(doc._id, { newField = "default" })
      end
    end
  end,
}
