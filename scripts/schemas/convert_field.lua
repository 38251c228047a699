-- Changing a field's type, deploy 1: the new field comes, the old one is optional. Then: mighost scripts/convert_to_enum.lua
return defineSchema {
  teams = defineTable {
    name = v.string(),
    isPro = v.optional(v.boolean()),
    plan = v.optional(v.union(v.literal("basic"), v.literal("pro"))),
  },
}
