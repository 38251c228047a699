-- Deleting a field, deploy 1: it is optional. Then: mighost scripts/remove_is_pro.lua
return defineSchema {
  teams = defineTable {
    name = v.string(),
    isPro = v.optional(v.boolean()),
  },
}
