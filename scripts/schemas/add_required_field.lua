-- Adding a required field, deploy 1: the schema takes both states. Then: mighost scripts/add_role.lua
return defineSchema {
  users = defineTable {
    name = v.string(),
    role = v.optional(v.union(v.literal("user"), v.literal("admin"))),
  },
}
