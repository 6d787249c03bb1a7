--- Errors of the model's side; see lib/errors.

---@type table<string, ErrorEntry>
return {
  upstream_unauthorized = {
    status = 502,
    retry = false,
    en = "The model's provider refused the API key. Check the key in the "
      .. "API configuration.",
    zh = "模型提供方拒绝了 API 密钥，请检查 API 配置中的密钥。",
  },
  upstream_quota_empty = {
    status = 502,
    retry = false,
    door = { status = 429, code = "insufficient_quota" },
    en = "The account at the model's provider has no balance or quota left. "
      .. "Top it up there, or use another API configuration.",
    zh = "提供方账户的余额或额度已用尽，请前往充值，或改用其他 API 配置。",
  },
  models_not_listed = {
    status = 422,
    en = "The provider {provider} has no list of models. Type the model's "
      .. "name as its documentation gives it.",
    zh = "提供方 {provider} 没有模型列表，请按其文档手动填写模型名称。",
  },
  upstream_proxy_failed = {
    status = 502,
    en = "The server's proxy for outgoing calls refused this one or could "
      .. "not be reached. Ask the operator to check upstream.proxy.",
    zh = "服务器的出站代理拒绝了此次调用，或无法连接，请联系运维检查 upstream.proxy。",
  },
  upstream_model_unknown = {
    status = 502,
    retry = false,
    en = "The provider does not have this model. Check model_name in the API "
      .. "configuration.",
    zh = "提供方没有该模型，请检查 API 配置中的 model_name。",
  },
  upstream_context_too_long = {
    status = 502,
    retry = false,
    door = { status = 400, code = "context_length_exceeded" },
    en = "The conversation is longer than the model can read. Start a new "
      .. "one, shorten your message, or use a model with a larger context.",
    zh = "对话超出模型可读取的长度，请新建会话、缩短消息，或改用上下文更长的模型。",
  },
  upstream_content_refused = {
    status = 502,
    retry = false,
    door = { status = 400, code = "content_filter" },
    en = "The provider's content filter refused this. Rephrase your message, "
      .. "or use another model.",
    zh = "内容被提供方的安全过滤拦截，请修改表述或换用其他模型。",
  },
  upstream_length_reached = {
    status = 502,
    retry = false,
    en = "The model used up its tokens before it wrote any text. Allow it "
      .. "more tokens (max_tokens), or ask for less.",
    zh = "模型在输出正文前已用尽 token 上限，请提高 max_tokens 或缩小请求。",
  },
  upstream_too_large = {
    status = 502,
    retry = false,
    door = { status = 413 },
    en = "The request is too large for the provider. Shorten the "
      .. "conversation, or attach fewer or smaller files.",
    zh = "请求体超出提供方的大小限制，请缩短对话，或减少、缩小附件。",
  },
  upstream_parameter_unsupported = {
    status = 502,
    retry = false,
    door = { status = 400 },
    en = "The model does not take a parameter of this request. Leave it out; "
      .. "the detail names it.",
    zh = "该模型不支持请求中的某个参数，请去掉该参数，详情中有其名称。",
  },
  upstream_empty = {
    status = 502,
    en = "The model's provider sent an answer without any text. Try again, "
      .. "or use another model.",
    zh = "模型提供方返回了空回答，请重试或换用其他模型。",
  },
  upstream_not_found = {
    status = 502,
    retry = false,
    en = "The provider does not know this address or model. Check base_url "
      .. "and model_name in the API configuration.",
    zh = "提供方没有该地址或模型，请检查 API 配置中的 base_url 和 model_name。",
  },
  upstream_rate_limited = {
    status = 502,
    door = { status = 429 },
    en = "The provider's rate or quota limit is reached. Wait a while, or "
      .. "check your plan there.",
    zh = "已达到提供方的频率或额度限制，请稍后再试，或检查您的套餐。",
  },
  upstream_overloaded = {
    status = 502,
    en = "The model's provider is overloaded. Try again shortly.",
    zh = "模型提供方负载过高，请稍后重试。",
  },
  upstream_rejected = {
    status = 502,
    retry = false,
    door = { status = 400 },
    en = "The provider rejected the request as invalid. Check the model's "
      .. "name, or shorten the conversation.",
    zh = "提供方认为请求无效，请检查模型名称，或缩短对话内容。",
  },
  upstream_failed = {
    status = 502,
    en = "The model's provider failed to answer. Try again. If it keeps "
      .. "failing, check the provider's status page.",
    zh = "模型提供方未能正常回应，请重试；若持续失败，请查看其服务状态。",
  },
  upstream_error = {
    status = 502,
    en = "The model's provider reported an error during its answer. Try "
      .. "again.",
    zh = "模型提供方在回答过程中报告了错误，请重试。",
  },
  upstream_bad_response = {
    status = 502,
    en = "The answer is not what a model's provider sends. Check base_url "
      .. "in the API configuration.",
    zh = "收到的内容不是模型提供方应有的回答，请检查 API 配置中的 base_url。",
  },
  upstream_incomplete = {
    status = 502,
    en = "The provider's answer ended before it was complete. Try again.",
    zh = "提供方的回答未完整结束，请重试。",
  },
  upstream_line_too_long = {
    status = 502,
    retry = false,
    en = "The provider sent a line that is too long for an answer. Check "
      .. "base_url in the API configuration.",
    zh = "提供方发来的数据片段过长，请检查 API 配置中的 base_url。",
  },
  upstream_refused = {
    status = 502,
    en = "Nothing answers at the provider's address. Check base_url, and "
      .. "whether the service runs.",
    zh = "无法连接提供方地址，请检查 base_url 以及该服务是否正在运行。",
  },
  upstream_reset = {
    status = 502,
    en = "The connection to the model's provider broke. Try again.",
    zh = "与模型提供方的连接中断，请重试。",
  },
  upstream_circuit_open = {
    status = 503,
    en = "The model's provider has failed repeatedly, so the server pauses "
      .. "its requests to it. Try again shortly, or use another model.",
    zh = "模型提供方连续出错，服务器已暂停向其发送请求，请稍后重试或换用其他模型。",
  },
  upstream_tls_failed = {
    status = 502,
    retry = false,
    en = "The server could not connect securely to the provider: its "
      .. "certificate was not accepted. Check base_url.",
    zh = "无法与提供方建立安全连接（证书未被接受），请检查 base_url。",
  },
  upstream_aborted = {
    status = 502,
    en = "The call to the model's provider was ended early. Try again.",
    zh = "对模型提供方的请求被提前结束，请重试。",
  },
  dns_failed = {
    status = 502,
    en = "The provider's host name was not found. Check base_url in the "
      .. "API configuration.",
    zh = "找不到提供方的主机名，请检查 API 配置中的 base_url。",
  },
  upstream_timeout = {
    status = 504,
    en = "The model's provider took too long. Try again, or ask for less.",
    zh = "模型提供方响应超时，请重试或缩小请求。",
  },
  upstream_connect_timeout = {
    status = 504,
    en = "The provider's address did not accept a connection in time. Check "
      .. "base_url, or try again.",
    zh = "连接提供方超时，请检查 base_url 或重试。",
  },
  upstream_stalled = {
    status = 504,
    en = "The model's provider stopped sending in the middle of its answer. "
      .. "Try again.",
    zh = "模型提供方在回答中途停止发送，请重试。",
  },
  reply_too_long = {
    status = 502,
    retry = false,
    en = "The reply reached the length limit and was cut off there. Ask for "
      .. "less at a time.",
    zh = "回复超出长度上限，已在此截断，请分次提问。",
  },
  invalid_header = {
    status = 422,
    en = "A header for the provider is not valid. Save the API key again, "
      .. "without spaces or line breaks.",
    zh = "发送给提供方的请求头无效，请重新保存 API 密钥，不要包含空格或换行。",
  },
  invalid_method = {
    status = 500,
    retry = false,
    en = "The provider's script on this server asks for an unknown method. "
      .. "Tell its operator.",
    zh = "本服务器的提供方脚本使用了未知的请求方法，请告知管理员。",
  },
  invalid_provider = {
    status = 500,
    retry = false,
    en = "The provider's script on this server is broken. Tell its operator.",
    zh = "本服务器的提供方脚本有误，请告知管理员。",
  },
  unknown_provider = {
    status = 422,
    retry = false,
    en = "This server has no provider \"{provider}\" any more. Change the API "
      .. "configuration.",
    zh = "本服务器已没有名为“{provider}”的提供方，请修改 API 配置。",
  },

  -- Requests that scripts of this server make (tide.http) -------------------
  outbound_failed = {
    status = 502,
    en = "A server that this request depends on did not answer. Try again.",
    zh = "该请求依赖的外部服务未能应答，请重试。",
  },
  outbound_timeout = {
    status = 504,
    en = "A server that this request depends on took too long. Try again.",
    zh = "该请求依赖的外部服务响应超时，请重试。",
  },
  outbound_too_large = {
    status = 502,
    en = "A server that this request depends on sent too large an "
      .. "answer. Tell the operator of this server.",
    zh = "该请求依赖的外部服务返回的数据过大，请告知管理员。",
  },
}
