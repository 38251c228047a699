-- Deletes the embeddings that no chunk refers to. The index makes the look at the other table cheap.
return migrations.define {
  table = "embeddings",
  migrateOne = function(ctx, embedding)
    local chunk = ctx.db
      :query("chunks")
      :withIndex("by_embedding", function(q) return q:eq("embeddingId", embedding._id) end)
      :first()
    if not chunk then
      ctx.db:delete(embedding._id)
    end
  end,
}
