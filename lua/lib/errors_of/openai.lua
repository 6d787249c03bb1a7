--- Errors of the OpenAI routes; see lib/errors.

---@type table<string, ErrorEntry>
return {
  unknown_path = {
    status = 404,
    door = { code = "not_found" },
    en = "There is no such address here. What exists: {routes}.",
    zh = "该地址不存在。现有接口：{routes}。",
  },
  model_not_found = {
    status = 404,
    en = "You have no API configuration for the model \"{model_name}\". "
      .. "/v1/models lists the models that you can use.",
    zh = "您没有模型“{model_name}”的 API 配置，可用模型见 /v1/models。",
  },
  embeddings_not_supported = {
    status = 422,
    en = "The provider of the model \"{model_name}\" does not "
      .. "offer embeddings here. Use a model of an OpenAI-compatible provider.",
    zh = "模型“{model_name}”的提供方在此不支持向量嵌入，请使用 OpenAI 兼容的模型。",
  },
  unsupported_type = {
    status = 400,
    en = "\"{field}\" has the type \"{type}\", which is not supported here. "
      .. "Tools of the type \"function\", messages, function calls and their "
      .. "outputs are.",
    zh = "“{field}”的类型“{type}”在此不受支持。支持 function 类型的工具、消息、"
      .. "函数调用及其输出。",
  },
  endpoint_not_supported = {
    status = 404,
    en = "{name} is not offered here. docs/openai.md lists what is.",
    zh = "此处不提供 {name}，可用的接口见 docs/openai.md。",
  },
  response_not_found = {
    status = 404,
    en = "There is no stored response \"{id}\". It may have been deleted, have "
      .. "expired, or not have been stored (store: false).",
    zh = "没有已保存的响应“{id}”。它可能已删除、已过期，或未保存（store: false）。",
  },
  response_running = {
    status = 409,
    en = "The response \"{id}\" is still running. Wait for its end.",
    zh = "响应“{id}”仍在生成，请等待其结束。",
  },
  previous_response_not_found = {
    status = 400,
    en = "The previous response \"{id}\", or one that it continues, is not "
      .. "stored (any more). Send the whole conversation as input instead.",
    zh = "上一个响应“{id}”或其所延续的响应未保存或已不存在，请改为在 input 中发送完整对话。",
  },
  item_not_found = {
    status = 400,
    en = "The input refers to the item \"{id}\", which is not stored (any "
      .. "more). Send the item itself.",
    zh = "input 引用的条目“{id}”未保存或已不存在，请直接发送该条目。",
  },
  rerank_not_supported = {
    status = 422,
    en = "The provider of the model \"{model_name}\" does not rerank. Use a "
      .. "model of a service that does.",
    zh = "模型“{model_name}”的提供方不支持重排序，请使用支持的服务的模型。",
  },
  moderations_not_supported = {
    status = 422,
    en = "The provider of the model \"{model_name}\" does not offer "
      .. "moderation. Use a model of a service that does.",
    zh = "模型“{model_name}”的提供方不提供内容审核，请使用提供该功能的服务的模型。",
  },
  unsupported_parameter = {
    status = 400,
    en = "The parameter \"{field}\" is not supported with this value. Leave "
      .. "it out.",
    zh = "不支持参数“{field}”取该值，请去掉该参数。",
  },
}
