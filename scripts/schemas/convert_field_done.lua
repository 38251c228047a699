-- Changing a field's type, deploy 2: after the migration the new field is required, the old one gone.
return defineSchema {
  teams = defineTable {
    name = v.string(),
    plan = v.union(v.literal("basic"), v.literal("pro")),
  },
}
