-- Changing a type, step 1: a new field with the new type stands beside the old one ("low", "medium", "high").
return defineSchema {
  tasks = defineTable {
    title = v.string(),
    priority = v.string(),
    priorityLevel = v.optional(v.number()),
  },
}
