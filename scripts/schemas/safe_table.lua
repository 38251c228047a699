-- A change that needs no migration: a new table.
return defineSchema {
  users = defineTable {
    name = v.string(),
    bio = v.optional(v.string()),
  },
  posts = defineTable {
    userId = v.id("users"),
    title = v.string(),
  }:index("by_user", { "userId" }),
}
