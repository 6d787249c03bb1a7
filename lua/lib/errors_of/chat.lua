--- Errors about configurations, sessions, messages and files; see lib/errors.

---@type table<string, ErrorEntry>
return {
  limit_reached = {
    status = 429,
    en = "You have reached your usage limit. Try again in {seconds} seconds.",
    zh = "您的用量已达上限，请在 {seconds} 秒后重试。",
  },
  api_not_found = {
    status = 404,
    en = "You have no such API configuration. See the list of your "
      .. "configurations.",
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
    en = "There is no persona \"{persona}\". /api/personas lists the ones "
      .. "that exist.",
    zh = "不存在人设“{persona}”，可用人设见 /api/personas。",
  },
  session_not_found = {
    status = 404,
    en = "You have no such chat session. It may have been deleted.",
    zh = "未找到该会话，它可能已被删除。",
  },
  session_deleted = {
    status = 404,
    en = "The chat session was deleted while the reply was generated.",
    zh = "会话在生成回复时已被删除。",
  },
  session_busy = {
    status = 429,
    en = "Too many messages are waiting in this chat session. Wait for the "
      .. "running reply, or stop it.",
    zh = "该会话中等待处理的消息过多，请等待当前回复完成或先停止它。",
  },
  turn_taken = {
    status = 503,
    en = "The chat session was changed on another server at the same moment. "
      .. "Try again.",
    zh = "该会话刚刚在另一台服务器上被更改，请重试。",
  },
  scripts_outdated = {
    status = 503,
    en = "This server is about to change its scripts and begins no replies "
      .. "until it has. Try again.",
    zh = "本服务器正在更换脚本，完成前不会开始新的回复，请稍后重试。",
  },
  lease_lost = {
    status = 503,
    en = "This server did not answer in time, and another one has taken the "
      .. "reply over. What was stored of it is in the chat session.",
    zh = "本服务器未及时响应，该回复已由另一台服务器接管，已保存的部分仍在会话中。",
  },
  too_many_replies = {
    status = 429,
    en = "Too many replies are being generated for you at the same time. Wait "
      .. "until one has ended, or stop one.",
    zh = "您同时生成的回复过多，请等待其中一个完成，或先停止一个。",
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
  not_a_reply = {
    status = 422,
    en = "The field \"{field}\" must be the id of a reply, not of another "
      .. "message.",
    zh = "字段“{field}”必须是一条回复的编号，不能是其他消息。",
  },
  nothing_to_recover = {
    status = 404,
    en = "You have received every reply of this chat session already.",
    zh = "该会话中没有未送达的回复。",
  },
  nothing_to_continue = {
    status = 409,
    en = "This reply cannot go on: it does not wait, and was not cut off "
      .. "between two steps. Ask for a new reply to the message.",
    zh = "该回复无法继续：它未在等待，也不是在两个步骤之间中断的。"
      .. "请对该消息重新生成回复。",
  },
  too_many_tool_rounds = {
    status = 502,
    en = "The model called tools again and again without an answer. Ask in "
      .. "another way, or ask the operator to raise tools.rounds.",
    zh = "模型反复调用工具而未给出回答。请换一种问法，"
      .. "或请管理员调高 tools.rounds。",
  },
  answer_malformed = {
    status = 502,
    en = "The model's answer does not have the form that it was asked for. "
      .. "Try again, or use another model.",
    zh = "模型的回答不符合所要求的格式，请重试或换用其他模型。",
  },
  interrupted = {
    status = 503,
    en = "The server stopped in the middle of this reply. The text so far "
      .. "was saved; send the message again for a complete reply.",
    zh = "服务器在生成该回复时中断，已保留部分内容；请重新发送以获得完整回复。",
  },
  reply_not_stored = {
    status = 500,
    en = "The reply came, but the server could not store it and has lost it. "
      .. "Send the message again; if it stays so, tell the operator the "
      .. "request id.",
    zh = "回复已生成，但服务器无法保存，内容已丢失。"
      .. "请重新发送；若持续如此，请将请求编号告知管理员。",
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
  unsupported_encoding = {
    status = 422,
    en = "The encoding of the file's text was not recognized. Save it as "
      .. "UTF-8 and send it again.",
    zh = "无法识别文件的文字编码，请另存为 UTF-8 后重新上传。",
  },
  text_too_large = {
    status = 422,
    en = "The file contains too much text. Send a shorter one.",
    zh = "文件中的文字过多，请上传较短的文件。",
  },
  too_many_apis = {
    status = 422,
    en = "You already have {limit} API configurations. Delete one first.",
    zh = "您的 API 配置已达 {limit} 个，请先删除一些。",
  },
}
