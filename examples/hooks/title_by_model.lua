--- A session's title names the model that it began with. To use it, copy it to
--- lua/hooks/ and name it in lua/hooks.lua: require "hooks.title_by_model",
--- (That the model makes the title itself is the setting title.ask_model.)

return {
  before_llm = function(turn)
    if turn.first then
      turn.title = turn.title .. " · " .. turn.model_name
    end
  end,
}
