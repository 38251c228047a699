-- Posts without the field `legacyField`, which nothing reads any more.
return defineSchema {
  posts = defineTable {
    title = v.string(),
    content = v.string(),
    authorId = v.id("users"),
  },
}
