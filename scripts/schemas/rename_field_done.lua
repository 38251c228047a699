-- Renaming a field, step 2: once every document has the new one, the old one goes.
return defineSchema {
  users = defineTable { displayName = v.string() },
}
