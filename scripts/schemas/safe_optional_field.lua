-- A change that needs no migration: a new field that is optional. The deploy looks at no document.
return defineSchema {
  users = defineTable {
    name = v.string(),
    bio = v.optional(v.string()),
  },
}
