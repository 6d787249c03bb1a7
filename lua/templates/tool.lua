--- A tool that a model may call while it replies: docs/tools.md.

---@type tide.Plugin
return {
  api = 1,
  tools = {
    sample = {
      description = "The length of a text in characters",
      parameters = {
        type = "object",
        properties = { text = { type = "string" } },
        required = { "text" },
      },
      idempotent = true,
      run = function(args)
        -- The arguments are the model's: never trust them.
        if type(args.text) ~= "string" then
          return nil, "text must be a text"
        end
        return { characters = utf8.len(args.text) }
      end,
    },
  },
}
