-- Deleting a field, deploy 2: after the migration it is gone.
return defineSchema {
  teams = defineTable { name = v.string() },
}
