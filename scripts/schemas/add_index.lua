-- Indexes are built by the deploy, beside readers and writers.
return defineSchema {
  posts = defineTable {
    title = v.string(),
    authorId = v.id("users"),
    publishedAt = v.optional(v.number()),
    status = v.string(),
  }:index("by_author", { "authorId" })
    :index("by_status_and_published", { "status", "publishedAt" }),
}
