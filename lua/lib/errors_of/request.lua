--- Errors of the request itself; see lib/errors.

---@type table<string, ErrorEntry>
return {
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
  client_gone = { -- seen in the log only
    status = 499,
    en = "The client left before its message was sent.",
    zh = "客户端在消息发送前已断开。",
  },
  not_found = {
    status = 404,
    en = "There is no such address. Check the path of the request.",
    zh = "该地址不存在，请检查请求路径。",
  },
  method_not_allowed = {
    status = 405,
    en = "This address does not support this method. The Allow header "
      .. "lists the methods that it supports.",
    zh = "该地址不支持此请求方法，可用方法见 Allow 响应头。",
  },
  body_too_large = {
    status = 413,
    en = "The request's body is too large: this address accepts up to {limit} "
      .. "bytes. Send less at a time.",
    zh = "请求内容过大，此处最多接收 {limit} 字节，请减少一次发送的数据量。",
  },
  unsupported_media_type = {
    status = 415,
    en = "The body's type is not supported here. Send JSON with the header "
      .. "Content-Type: application/json, or a file as "
      .. "multipart/form-data.",
    zh = "不支持该内容类型，请以 Content-Type: application/json 发送 JSON，"
      .. "文件请用 multipart/form-data。",
  },
  request_timeout = {
    status = 408,
    en = "The request did not arrive completely in time. Send it again.",
    zh = "请求未能在限定时间内完整送达，请重新发送。",
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
  too_many_values = {
    status = 413,
    en = "The JSON holds too many values. Send fewer fields, objects and "
      .. "list items at once.",
    zh = "JSON 中的值过多，请减少一次发送的字段、对象或列表项。",
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
  idempotency_key_invalid = {
    status = 400,
    en = "The Idempotency-Key is not valid: up to 255 visible ASCII "
      .. "characters, such as a UUID.",
    zh = "Idempotency-Key 无效：最多 255 个可见 ASCII 字符，例如 UUID。",
  },
  idempotency_in_flight = {
    status = 409,
    retry = true,
    en = "The first request with this Idempotency-Key is still running. Ask "
      .. "again in a moment to get its answer.",
    zh = "使用此 Idempotency-Key 的首个请求仍在处理，请稍后重试以获取其结果。",
  },
  idempotency_key_reused = {
    status = 422,
    en = "This Idempotency-Key was used for another request. Use a new one.",
    zh = "此 Idempotency-Key 已用于其他请求，请更换。",
  },
  idempotency_stream = {
    status = 400,
    en = "An Idempotency-Key cannot be used with a stream, because streams "
      .. "are not saved. Leave out one of the two.",
    zh = "流式回复不会保存，不能使用 Idempotency-Key，请二选一。",
  },
  invalid_url = {
    status = 400,
    en = "The address is not a valid URL. Give one such as "
      .. "https://api.example.com/v1, without ? and #.",
    zh = "地址不是有效的 URL，请填写形如 https://api.example.com/v1 的地址，"
      .. "不要包含 ? 或 #。",
  },
  invalid_encoding = {
    status = 400,
    en = "The request contains text whose encoding is broken. Check its "
      .. "hex digits or base64.",
    zh = "请求中的文本编码有误，请检查十六进制或 Base64 内容。",
  },
  invalid_time = {
    status = 400,
    en = "The request contains a time that cannot be read. Write it as in "
      .. "2026-01-02T03:04:05Z.",
    zh = "请求中的时间无法识别，请写成 2026-01-02T03:04:05Z 的形式。",
  },
  unknown_zone = {
    status = 400,
    en = "There is no such time zone. Use a name like Europe/Berlin or UTC.",
    zh = "没有这个时区，请使用 Asia/Shanghai 或 UTC 这样的名称。",
  },
  invalid_schedule = {
    status = 400,
    en = "The schedule cannot be read. Write five fields as in 0 3 * * * "
      .. "(minute, hour, day, month, day of the week).",
    zh = "定时计划无法识别，请写成 0 3 * * * 这样的五个字段"
      .. "（分、时、日、月、星期）。",
  },
}
