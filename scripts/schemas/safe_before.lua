-- Changes that need no migration: where they begin.
return defineSchema {
  users = defineTable { name = v.string() },
}
