-- Few documents a batch, where they are large or much else writes to the table. Without `batchSize` batches are sized by time.
return migrations.define {
  table = "largeDocuments",
  batchSize = 10,
  migrateOne = function(ctx, doc)
    if doc.bytes == nil then
      return { bytes = #doc.text }
    end
  end,
}
