-- Changing a type: `priorityLevel`, a number, beside `priority`, a string; readers take either until all tasks have both.
--
--   mighost deploy scripts/schemas/change_type.lua
--   mighost run scripts/change_type.lua:migratePriorityToNumber
--   mighost run scripts/change_type.lua:getTask '{"taskId": "<id>"}'
--
-- The last schema, schemas/change_type_done.lua, wants `priority` gone: `mighost new --fix` writes that migration.
local LEVELS = { low = 1, medium = 2, high = 3 }

local M = {}

M.migratePriorityToNumber = internalMutation {
  args = { cursor = v.optional(v.string()) },
  returns = v.null(),
  handler = function(ctx, args)
    local result = ctx.db:query("tasks"):paginate { numItems = 100, cursor = args.cursor or null }
    for _, task in ipairs(result.page) do
      if task.priorityLevel == nil then
        ctx.db:patch(task._id, { priorityLevel = LEVELS[task.priority] or 1 })
      end
    end
    if not result.isDone then
      ctx.scheduler:runAfter(0, M.migratePriorityToNumber, { cursor = result.continueCursor })
    end
  end,
}

M.getTask = query {
  args = { taskId = v.id("tasks") },
  returns = v.object { _id = v.id("tasks"), title = v.string(), priorityLevel = v.number() },
  handler = function(ctx, args)
    local task = ctx.db:get(args.taskId)
    if not task then
      error("Task not found")
    end
    return {
      _id = task._id,
      title = task.title,
      priorityLevel = task.priorityLevel or LEVELS[task.priority] or 1,
    }
  end,
}

return M
