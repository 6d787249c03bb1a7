--- The one error table of the API: code -> status and text in both languages.
--- Codes are stable (clients test them), texts are for people and say what is
--- wrong, where, and what to do. `{name}` is replaced from the error's args.
--- Codes of the core (C) are here too: it looks texts up by code, and its own
--- messages (addresses, SQL, file names) stay in the log.

local M = {}

---@class ErrorEntry
---@field status integer HTTP status
---@field en string
---@field zh string

---@type table<string, ErrorEntry>
M.all = {
  -- The request itself ------------------------------------------------------
  bad_request = {
    status = 400,
    en = "The request is malformed. Check its address, headers and length.",
    zh = "请求格式有误，请检查地址、请求头和长度。",
  },
  header_too_large = {
    status = 431,
    en = "The request's address and headers are too long together. Send "
      .. "fewer or shorter headers and cookies.",
    zh = "请求地址和请求头总长度超出限制，请减少请求头或 Cookie。",
  },
  not_found = {
    status = 404,
    en = "There is no such address. Check the path of the request.",
    zh = "该地址不存在，请检查请求路径。",
  },
  method_not_allowed = {
    status = 405,
    en = "This address does not take this method. The Allow header lists "
      .. "those that it takes.",
    zh = "该地址不支持此请求方法，可用方法见 Allow 响应头。",
  },
  body_too_large = {
    status = 413,
    en = "The request's body is too large. Send less at once.",
    zh = "请求内容过大，请减少一次发送的数据量。",
  },
  unsupported_media_type = {
    status = 415,
    en = "The body's type is not supported here. Send JSON with the header "
      .. "Content-Type: application/json.",
    zh = "不支持该内容类型，请以 Content-Type: application/json 发送 JSON。",
  },
  request_timeout = {
    status = 408,
    en = "The request did not arrive completely in time. Send it again.",
    zh = "请求未能在限定时间内完整送达，请重新发送。",
  },
  too_many_connections = {
    status = 503,
    en = "The server has too many open connections. Try again shortly.",
    zh = "服务器当前连接过多，请稍后重试。",
  },
  too_many_requests = {
    status = 429,
    en = "Too many requests in a short time. Wait a moment and try again.",
    zh = "短时间内请求过多，请稍候再试。",
  },
  invalid_json = {
    status = 400,
    en = "The body is not valid JSON (UTF-8). Check quotes, commas and "
      .. "brackets.",
    zh = "请求内容不是有效的 JSON（UTF-8），请检查引号、逗号和括号。",
  },
  missing_field = {
    status = 400,
    en = "The field \"{field}\" is missing or empty. Fill it in.",
    zh = "缺少字段“{field}”或其内容为空，请填写。",
  },
  invalid_field = {
    status = 400,
    en = "The field \"{field}\" is not valid: it {reason}.",
    zh = "字段“{field}”无效：{reason}。",
  },
  invalid_url = {
    status = 400,
    en = "The address is not a valid URL. Give one such as "
      .. "https://api.example.com/v1, without ? and #.",
    zh = "地址不是有效的 URL，请填写形如 https://api.example.com/v1 的地址，"
      .. "不要包含 ? 或 #。",
  },

  -- Who is asking -----------------------------------------------------------
  unauthorized = {
    status = 401,
    en = "You are not logged in. Log in, then send the token as "
      .. "Authorization: Bearer <token>.",
    zh = "您尚未登录。请先登录，并以 Authorization: Bearer <token> 发送令牌。",
  },
  invalid_token = {
    status = 401,
    en = "This login is not valid any more. Log in again.",
    zh = "登录状态已失效，请重新登录。",
  },
  token_expired = {
    status = 401,
    en = "This login has expired. Log in again.",
    zh = "登录已过期，请重新登录。",
  },
  invalid_credentials = {
    status = 401,
    en = "User name or password is wrong. Check both and try again.",
    zh = "用户名或密码错误，请检查后重试。",
  },
  wrong_password = {
    status = 401,
    en = "The old password is wrong. Type it again.",
    zh = "原密码错误，请重新输入。",
  },
  account_disabled = {
    status = 403,
    en = "This account is disabled. Ask the operator of this server.",
    zh = "该账号已被停用，请联系服务器管理员。",
  },
  forbidden = {
    status = 403,
    en = "Only administrators may do this.",
    zh = "只有管理员可以执行此操作。",
  },
  csrf = {
    status = 403,
    en = "The request came from another site and was refused. Use this "
      .. "server's own page, or send the token in the Authorization header.",
    zh = "该请求来自其他网站，已被拒绝。请使用本站页面，"
      .. "或在 Authorization 请求头中发送令牌。",
  },
  registration_closed = {
    status = 403,
    en = "Registration is closed on this server. Ask its operator for an "
      .. "account.",
    zh = "本服务器未开放注册，请向管理员申请账号。",
  },
  username_taken = {
    status = 409,
    en = "The user name \"{username}\" is taken. Choose another one.",
    zh = "用户名“{username}”已被使用，请换一个。",
  },
  user_not_found = {
    status = 404,
    en = "There is no such user. Check the name.",
    zh = "该用户不存在，请检查用户名。",
  },

  -- The user's things -------------------------------------------------------
  api_not_found = {
    status = 404,
    en = "You have no such API configuration. The list of your "
      .. "configurations shows what there is.",
    zh = "未找到该 API 配置，请在配置列表中查看已有配置。",
  },
  api_name_taken = {
    status = 409,
    en = "You already have an API configuration named \"{api_name}\". "
      .. "Choose another name or change that one.",
    zh = "您已有名为“{api_name}”的 API 配置，请换一个名称或修改原配置。",
  },
  api_name_reserved = {
    status = 422,
    en = "The name \"{api_name}\" is reserved. Choose another one.",
    zh = "名称“{api_name}”为系统保留，请换一个。",
  },
  no_api_for_model = {
    status = 422,
    en = "You have no API configuration for the model \"{model_name}\". Add "
      .. "one with its key first.",
    zh = "您还没有模型“{model_name}”的 API 配置，请先添加配置并填写密钥。",
  },
  no_base_url = {
    status = 422,
    en = "The provider \"{provider}\" has no address of its own. Fill in "
      .. "base_url in the API configuration.",
    zh = "提供方“{provider}”没有默认地址，请在 API 配置中填写 base_url。",
  },
  address_not_allowed = {
    status = 422,
    en = "The server may not connect to this address. Use a public https "
      .. "address, or ask the operator to add it to outbound.allow.",
    zh = "不允许服务器连接该地址。请使用公网 https 地址，"
      .. "或请管理员将其加入 outbound.allow。",
  },
  secret_unreadable = {
    status = 422,
    en = "The stored API key cannot be read with this server's secret. "
      .. "Save the key again in the API configuration.",
    zh = "无法用本服务器的密钥文件读取已存的 API 密钥，请在配置中重新保存密钥。",
  },
  unknown_persona = {
    status = 422,
    en = "There is no persona \"{persona}\". /api/personas lists those that "
      .. "there are.",
    zh = "不存在人设“{persona}”，可用人设见 /api/personas。",
  },
  session_not_found = {
    status = 404,
    en = "You have no such chat session. It may have been deleted.",
    zh = "未找到该会话，它可能已被删除。",
  },
  session_deleted = {
    status = 404,
    en = "The chat session was deleted while the reply was on its way.",
    zh = "会话在回复过程中被删除。",
  },
  session_busy = {
    status = 429,
    en = "Too many messages are waiting in this chat session. Wait for the "
      .. "running reply, or stop it.",
    zh = "该会话中等待处理的消息过多，请等待当前回复完成或先停止它。",
  },
  stopped = {
    status = 409,
    en = "The message was stopped before its turn came. Send it again.",
    zh = "消息在处理前已被停止，请重新发送。",
  },
  message_not_found = {
    status = 404,
    en = "There is no such message in this chat session.",
    zh = "该会话中不存在此消息。",
  },
  file_not_found = {
    status = 404,
    en = "You have no such file in this chat session. Upload it first.",
    zh = "该会话中没有此文件，请先上传。",
  },
  conflict = {
    status = 409,
    en = "Something else changed this at the same time. Load it again and "
      .. "repeat the change.",
    zh = "数据刚被其他操作修改，请重新加载后再试。",
  },

  -- The model's side --------------------------------------------------------
  upstream_unauthorized = {
    status = 502,
    en = "The model's provider refused the API key. Check the key in the "
      .. "API configuration.",
    zh = "模型提供方拒绝了 API 密钥，请检查 API 配置中的密钥。",
  },
  upstream_not_found = {
    status = 502,
    en = "The provider does not know this address or model. Check base_url "
      .. "and model_name in the API configuration.",
    zh = "提供方不存在该地址或模型，请检查 API 配置中的 base_url 和 model_name。",
  },
  upstream_rate_limited = {
    status = 502,
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
    en = "The provider refused the request as not valid. Check the model's "
      .. "name, or shorten the conversation.",
    zh = "提供方认为请求无效，请检查模型名称，或缩短对话内容。",
  },
  upstream_failed = {
    status = 502,
    en = "The model's provider failed to answer. Try again; if it stays so, "
      .. "check the provider's status page.",
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
    en = "The provider sent a piece that is too long to be an answer's. "
      .. "Check base_url in the API configuration.",
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
  upstream_tls_failed = {
    status = 502,
    en = "No secure connection to the provider could be made: its "
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
    en = "The provider's address did not take a connection in time. Check "
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
    en = "The reply grew over the limit and was cut there. Ask for less at "
      .. "once.",
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
    en = "The provider's script on this server asks for an unknown method. "
      .. "Tell its operator.",
    zh = "本服务器的提供方脚本使用了未知的请求方法，请告知管理员。",
  },
  invalid_provider = {
    status = 500,
    en = "The provider's script on this server is broken. Tell its operator.",
    zh = "本服务器的提供方脚本有误，请告知管理员。",
  },

  -- The database ------------------------------------------------------------
  duplicate = {
    status = 409,
    en = "This exists already. Choose another name.",
    zh = "该内容已存在，请换一个名称。",
  },
  foreign_key = {
    status = 409,
    en = "Something that this belongs to is gone. Load the page again.",
    zh = "所属内容已不存在，请重新加载页面。",
  },
  constraint = {
    status = 400,
    en = "A value is outside of what can be stored. Check the fields.",
    zh = "有字段的值超出可存储范围，请检查。",
  },
  unexpected_changes = {
    status = 409,
    en = "Something else changed this at the same time. Load it again and "
      .. "repeat the change.",
    zh = "数据刚被其他操作修改，请重新加载后再试。",
  },
  disk_full = {
    status = 507,
    en = "The server's disk is full, nothing was stored. Tell its operator.",
    zh = "服务器磁盘已满，内容未保存，请告知管理员。",
  },
  database_error = {
    status = 500,
    en = "The database failed, nothing was stored. Try again; if it stays "
      .. "so, tell the operator the request id.",
    zh = "数据库出错，内容未保存。请重试；若持续失败，请将请求编号告知管理员。",
  },
  database_unavailable = {
    status = 503,
    en = "The database cannot be opened. Tell the operator of this server.",
    zh = "数据库无法打开，请告知服务器管理员。",
  },
  sql_error = {
    status = 500,
    en = "The server made a mistake. Tell its operator the request id.",
    zh = "服务器内部错误，请将请求编号告知管理员。",
  },
  query_too_slow = {
    status = 503,
    en = "This search takes too long. Ask for less at once.",
    zh = "查询耗时过长，请缩小范围。",
  },
  too_many_rows = {
    status = 503,
    en = "This gives too many results. Ask for less at once.",
    zh = "结果过多，请缩小范围。",
  },
  migration_failed = {
    status = 500,
    en = "The database could not be brought to this version.",
    zh = "数据库升级到当前版本失败。",
  },
  migration_changed = {
    status = 500,
    en = "A migration that was applied has changed since.",
    zh = "已执行的数据库迁移文件被改动。",
  },
  migration_missing = {
    status = 500,
    en = "The database was made by a newer version of this server.",
    zh = "数据库由更新版本的服务器创建。",
  },

  -- The server --------------------------------------------------------------
  busy = {
    status = 503,
    en = "The server is busy. Try again in a moment.",
    zh = "服务器繁忙，请稍后重试。",
  },
  cancelled = {
    status = 503,
    en = "The request was ended before it was complete. Try again.",
    zh = "请求在完成前被终止，请重试。",
  },
  no_memory = {
    status = 503,
    en = "The server is out of memory right now. Try again in a moment.",
    zh = "服务器内存不足，请稍后重试。",
  },
  shutting_down = {
    status = 503,
    en = "The server is restarting. Try again in a moment.",
    zh = "服务器正在重启，请稍后重试。",
  },
  internal = {
    status = 500,
    en = "The server made a mistake. Tell its operator the request id.",
    zh = "服务器内部错误，请将请求编号告知管理员。",
  },
  internal_error = {
    status = 500,
    en = "The server made a mistake. Tell its operator the request id.",
    zh = "服务器内部错误，请将请求编号告知管理员。",
  },
  script_error = {
    status = 500,
    en = "A script of this server failed. Tell its operator the request id.",
    zh = "服务器脚本出错，请将请求编号告知管理员。",
  },
  script_timeout = {
    status = 503,
    en = "A script of this server ran too long and was stopped. Try again; "
      .. "if it stays so, tell the operator the request id.",
    zh = "服务器脚本运行超时已被终止。请重试；若持续如此，请将请求编号告知管理员。",
  },
  script_memory = {
    status = 503,
    en = "A script of this server used too much memory. Try again; if it "
      .. "stays so, tell the operator the request id.",
    zh = "服务器脚本内存超限。请重试；若持续如此，请将请求编号告知管理员。",
  },

  -- The operator's start of the server: seen in logs and on the terminal ----
  address_in_use = {
    status = 500,
    en = "The address is in use by another process.",
    zh = "该地址已被其他进程占用。",
  },
  not_reachable = {
    status = 503,
    en = "The running server does not answer on its own socket.",
    zh = "正在运行的服务器未在其套接字上应答。",
  },
  listen_failed = {
    status = 500,
    en = "The server could not listen on its address.",
    zh = "服务器无法监听指定地址。",
  },
  loop_failed = {
    status = 500,
    en = "The system refused an event loop.",
    zh = "系统拒绝创建事件循环。",
  },
  thread_failed = {
    status = 500,
    en = "The system refused a thread.",
    zh = "系统拒绝创建线程。",
  },
  watch_failed = {
    status = 500,
    en = "The system refused to watch a connection.",
    zh = "系统拒绝监视连接。",
  },
  invalid_setting = {
    status = 500,
    en = "A setting is not valid. The log says where.",
    zh = "配置项无效，详见日志。",
  },
  invalid_yaml = {
    status = 500,
    en = "A YAML file is not valid. The log says where.",
    zh = "YAML 文件无效，详见日志。",
  },
  invalid_route = {
    status = 500,
    en = "A script declares a route that is not valid.",
    zh = "脚本声明了无效的路由。",
  },
  duplicate_route = {
    status = 500,
    en = "A script declares a route twice.",
    zh = "脚本重复声明了同一路由。",
  },
  invalid_path = {
    status = 500,
    en = "A script declares a JSON path that is not valid.",
    zh = "脚本声明了无效的 JSON 路径。",
  },
  secret_file_unsafe = {
    status = 500,
    en = "The secret file can be read by others. Make it mode 0600.",
    zh = "密钥文件可被他人读取，请将权限设为 0600。",
  },
  secret_file_unreadable = {
    status = 500,
    en = "The secret file cannot be read or made. The log says why.",
    zh = "无法读取或创建密钥文件，详见日志。",
  },
  secret_file_invalid = {
    status = 500,
    en = "The secret file does not hold a key. Restore it from a copy.",
    zh = "密钥文件内容无效，请从备份恢复。",
  },
  data_dir_failed = {
    status = 500,
    en = "The data folder cannot be used. The log says why.",
    zh = "数据目录无法使用，详见日志。",
  },
  data_dir_locked = {
    status = 500,
    en = "The data folder is in use by another process.",
    zh = "数据目录正被其他进程使用。",
  },
  client_failed = {
    status = 500,
    en = "The library for outbound requests could not be started.",
    zh = "出站请求库启动失败。",
  },
}

--- An error to return as the second value of a failing call.
---@param code string a key of M.all; another one is a bug and raises
---@param args? table<string, string|number> for the text's placeholders
---@return tide.Error
function M.new(code, args)
  local entry = M.all[code]
  if not entry then
    error("no such error code: " .. tostring(code), 2)
  end
  local headers
  if entry.status == 401 then
    -- RFC 9110, 15.5.2: a 401 must say how to authenticate.
    headers = { ["WWW-Authenticate"] = "Bearer" }
  end
  return { code = code, args = args, headers = headers }
end

return M
