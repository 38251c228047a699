-- Reading by an index: the ten posts that were published last. The index is in schemas/add_index.lua.
--
--   mighost run scripts/posts.lua:getPublishedPosts
local M = {}

M.getPublishedPosts = query {
  args = {},
  returns = v.array(v.object { _id = v.id("posts"), title = v.string(), publishedAt = v.number() }),
  handler = function(ctx)
    local posts = ctx.db
      :query("posts")
      :withIndex("by_status_and_published", function(q) return q:eq("status", "published") end)
      :order("desc")
      :take(10)
    local published = {}
    for _, post in ipairs(posts) do
      if post.publishedAt ~= nil then
        table.insert(published, { _id = post._id, title = post.title, publishedAt = post.publishedAt })
      end
    end
    return published
  end,
}

return M
