-- Names the users whose name is empty. `customRange` walks an index, so that the others are not even read. The function
-- changes the very field the index is ordered by: that is safe, each document is still migrated once.
return migrations.define {
  table = "users",
  customRange = function(query)
    return query:withIndex("by_name", function(q)
      return q:eq("name", "")
    end)
  end,
  migrateOne = function()
    return { name = "<unknown>" }
  end,
}
