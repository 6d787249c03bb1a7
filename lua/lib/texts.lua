--- Texts for people that are no errors, in both languages: the `message` of
--- answers and the reasons of schema checks. `{name}` is replaced from args.

local M = {}

local TEXTS = {
  -- Messages of answers
  registered = { en = "Registered.", zh = "注册成功" },
  logged_in = { en = "Logged in.", zh = "登录成功" },
  logged_out = { en = "Logged out.", zh = "已退出登录" },
  password_changed = {
    en = "Password changed. All other logins have ended.",
    zh = "密码已修改，其他登录均已失效",
  },
  user_created = { en = "User created.", zh = "用户已创建" },
  user_updated = { en = "User updated.", zh = "用户已更新" },
  api_created = { en = "API configuration created.", zh = "API 配置已创建" },
  api_updated = { en = "API configuration updated.", zh = "API 配置已更新" },
  api_deleted = { en = "API configuration deleted.", zh = "API 配置已删除" },
  key_deleted = { en = "API key deleted.", zh = "API 密钥已删除" },
  file_uploaded = { en = "File uploaded.", zh = "文件上传成功" },
  file_deleted = { en = "File deleted.", zh = "文件已删除" },
  session_deleted = { en = "Chat session deleted.", zh = "会话已删除" },

  -- Reasons why a field is not valid, read after "it"
  must_be_string = { en = "must be text", zh = "必须是文本" },
  must_be_integer = { en = "must be a whole number", zh = "必须是整数" },
  must_be_number = { en = "must be a number", zh = "必须是数字" },
  must_be_boolean = {
    en = "must be true or false",
    zh = "必须是 true 或 false",
  },
  must_be_date = {
    en = "must be a date such as 2026-01-31",
    zh = "必须是日期，如 2026-01-31",
  },
  no_form_fits = {
    en = "must have one of the forms that are allowed here",
    zh = "必须是此处允许的形式之一",
  },
  given_twice = { en = "is given twice", zh = "出现了两次" },
  must_be_array = { en = "must be a list", zh = "必须是列表" },
  must_be_object = { en = "must be an object", zh = "必须是对象" },
  not_utf8 = { en = "must be valid UTF-8", zh = "必须是有效的 UTF-8 文本" },
  no_waiting_call = {
    en = "names a call that does not wait for you",
    zh = "包含未在等待您确认的调用",
  },
  too_short = {
    en = "must have at least {limit} characters",
    zh = "至少需要 {limit} 个字符",
  },
  too_long = {
    en = "must have at most {limit} characters",
    zh = "最多 {limit} 个字符",
  },
  too_small = { en = "must be at least {limit}", zh = "不能小于 {limit}" },
  too_large = { en = "must be at most {limit}", zh = "不能大于 {limit}" },
  too_few = {
    en = "must have at least {limit} items",
    zh = "至少需要 {limit} 项",
  },
  too_many = {
    en = "must have at most {limit} items",
    zh = "最多 {limit} 项",
  },
  bad_form = {
    en = "has characters that are not allowed there",
    zh = "包含不允许的字符",
  },
  bad_position = {
    en = "must be the id of a frame, <message_id>.<seq>",
    zh = "必须是帧的 id，形如 <message_id>.<seq>",
  },
  inside_character = {
    en = "lies inside a character; use the id of a frame as it came",
    zh = "位于一个字符的中间，请原样使用帧的 id",
  },
  too_many_bytes = {
    en = "must have at most {limit} bytes as JSON",
    zh = "以 JSON 表示时最多 {limit} 字节",
  },
  set_elsewhere = {
    en = "is set by the server, not here",
    zh = "由服务器设置，不能在此指定",
  },
  key_header = {
    en = "is a header that the server sends itself; say "
      .. '"replace_headers": true to replace it',
    zh = '是服务器自行发送的请求头；如需替换，请加上 "replace_headers": true',
  },
  not_one_of = {
    en = "must be one of: {choices}",
    zh = "必须是以下之一：{choices}",
  },
}

---@param language "zh"|"en"
---@param key string a key of the table above; another one is a bug and raises
---@param args? table<string, string|number>
---@return string
function M.get(language, key, args)
  local entry = TEXTS[key]
  if not entry then
    error("no such text: " .. tostring(key), 2)
  end
  local text = entry[language] or entry.en
  if args then
    text = text:gsub("{(%w+)}", args)
  end
  return text
end

return M
