-- Renaming a field, step 1: the new one stands beside the old one.
return defineSchema {
  users = defineTable {
    userName = v.string(),
    displayName = v.optional(v.string()),
  },
}
