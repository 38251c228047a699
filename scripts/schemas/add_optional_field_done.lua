-- Adding a field, step 2: once every document has it, it is required.
return defineSchema {
  users = defineTable {
    name = v.string(),
    email = v.string(),
    avatarUrl = v.string(),
  },
}
