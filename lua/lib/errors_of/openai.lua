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
