-- A schema that has evolved: fields that migrations brought are optional until all documents have them.
return defineSchema {
  migrations = defineTable {
    name = v.string(),
    startedAt = v.number(),
    completedAt = v.optional(v.number()),
    status = v.union(v.literal("running"), v.literal("completed"), v.literal("failed")),
    error = v.optional(v.string()),
    processed = v.number(),
  }:index("by_name", { "name" }),

  users = defineTable {
    name = v.string(),
    email = v.string(),
    -- came with the first migration
    createdAt = v.optional(v.number()),
    updatedAt = v.optional(v.number()),
    -- with the second
    avatarUrl = v.optional(v.string()),
    -- with the third
    settings = v.optional(v.object { theme = v.string(), notifications = v.boolean() }),
  }:index("by_email", { "email" })
    :index("by_createdAt", { "createdAt" }),

  posts = defineTable {
    title = v.string(),
    content = v.string(),
    authorId = v.id("users"),
    status = v.union(v.literal("draft"), v.literal("published"), v.literal("archived")),
    publishedAt = v.optional(v.number()),
    createdAt = v.number(),
    updatedAt = v.number(),
  }:index("by_author", { "authorId" })
    :index("by_status", { "status" })
    :index("by_author_and_status", { "authorId", "status" })
    :index("by_publishedAt", { "publishedAt" }),
}
