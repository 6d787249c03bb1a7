--- How much a model thinks, in the forms of the services that speak OpenAI's
--- API. Each function makes members of a body. Pure.
--- Sources: each service's own page on models that think ("reasoning").

local M = {}

---@alias ThinkingForm fun(wanted: ModelThinking, model: string): table

--- Whether it is to think at all.
---@param wanted ModelThinking
---@return boolean
function M.is_on(wanted)
  return wanted.effort ~= "none" and wanted.budget ~= 0
end

--- An effort for a budget, where a service knows no budgets.
---@param wanted ModelThinking
---@return string
function M.effort_of(wanted)
  local budget = wanted.budget or 0
  if wanted.effort then
    return wanted.effort
  elseif budget == 0 then
    return "none"
  elseif budget <= 1024 then
    return "low"
  end
  return budget <= 8192 and "medium" or "high"
end

--- OpenAI's own, and most others'.
---@param wanted ModelThinking
---@return table
function M.effort(wanted)
  return { reasoning_effort = M.effort_of(wanted) }
end

--- Qwen and SiliconFlow.
---@param wanted ModelThinking
---@return table
function M.enable_thinking(wanted)
  local on = M.is_on(wanted)
  return {
    enable_thinking = on,
    thinking_budget = on and wanted.budget or nil,
  }
end

--- DeepSeek, Zhipu, Moonshot and Volcengine: on or off.
---@param wanted ModelThinking
---@return table
function M.thinking_type(wanted)
  return { thinking = { type = M.is_on(wanted) and "enabled" or "disabled" } }
end

--- OpenRouter translates it for whoever answers.
---@param wanted ModelThinking
---@return table
function M.reasoning(wanted)
  if M.is_on(wanted) and wanted.budget then
    return { reasoning = { max_tokens = wanted.budget } }
  end
  return { reasoning = { effort = M.effort_of(wanted) } }
end

--- vLLM and llama.cpp give it to the model's own template.
---@param wanted ModelThinking
---@return table
function M.template(wanted)
  local on = M.is_on(wanted)
  return {
    chat_template_kwargs = {
      enable_thinking = on,
      reasoning_effort = on and wanted.effort or nil,
    },
  }
end

return M
