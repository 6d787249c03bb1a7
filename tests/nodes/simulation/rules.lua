--- Conditions of the server's statements, by name: what a statement is without
--- one of them. A test shows that the simulation finds each.

---@param text string
---@param instead? string
---@param only? string in a statement with this
---@return fun(sql: string): string
local function without(text, instead, only)
  return function(sql)
    local from, to = sql:find(text, 1, true)
    if not from or (only and not sql:find(only, 1, true)) then
      return sql
    end
    return sql:sub(1, from - 1) .. (instead or "") .. sql:sub(to + 1)
  end
end

return {
  end_epoch = without(" AND turn_epoch = ?14"),
  checkpoint_epoch = without(" AND turn_epoch = ?5"),
  chunks_epoch = without(" AND turn_epoch = ?2)", ")", "DELETE"),
  session_owner = without(
    " AND (turn_node IS NULL OR turn_node = ?)",
    nil,
    "AND version = ?"
  ),
  session_version = without(" AND version = ?", " AND ? IS NOT NULL"),
}
