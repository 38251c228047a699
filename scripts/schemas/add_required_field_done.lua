-- Adding a required field, deploy 2: after the migration it is required.
return defineSchema {
  users = defineTable {
    name = v.string(),
    role = v.union(v.literal("user"), v.literal("admin")),
  },
}
