-- A table in which an application keeps track of migrations of its own. mighost does that by itself: mighost status.
return defineSchema {
  migrations = defineTable {
    name = v.string(),
    startedAt = v.number(),
    completedAt = v.optional(v.number()),
    status = v.union(v.literal("running"), v.literal("completed"), v.literal("failed")),
    error = v.optional(v.string()),
    processed = v.number(),
  }:index("by_name", { "name" }),
}
