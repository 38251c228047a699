-- A change that needs no migration: a new index.
return defineSchema {
  users = defineTable {
    name = v.string(),
    email = v.string(),
  }:index("by_email", { "email" }),
}
