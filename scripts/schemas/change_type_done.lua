-- Changing a type, step 2: once every document has the new field, the old one goes.
return defineSchema {
  tasks = defineTable {
    title = v.string(),
    priorityLevel = v.number(),
  },
}
