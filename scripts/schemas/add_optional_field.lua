-- Adding a field, step 1: it is optional, so that the documents that lack it fit.
return defineSchema {
  users = defineTable {
    name = v.string(),
    email = v.string(),
    avatarUrl = v.optional(v.string()),
  },
}
