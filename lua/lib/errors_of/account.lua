--- Errors of who is asking; see lib/errors.

---@type table<string, ErrorEntry>
return {
  unauthorized = {
    status = 401,
    en = "You are not logged in. Log in, then send the token as "
      .. "Authorization: Bearer <token>. Under /v1 a personal API key is sent "
      .. "the same way.",
    zh = "您尚未登录。请先登录，并以 Authorization: Bearer <token> 发送令牌；"
      .. "在 /v1 下也可以用同样方式发送个人 API 密钥。",
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
  invalid_api_key = {
    status = 401,
    en = "This API key is not valid. It may have been deleted, ended by a "
      .. "change of the password, or copied incompletely, or it belongs to "
      .. "another service. Keys of this server begin with \"{head}\"; POST "
      .. "/api/keys makes one.",
    zh = "API 密钥无效：可能已被删除、因修改密码而失效、复制不完整，"
      .. "或属于其他服务。本服务器的密钥以“{head}”开头，可通过 POST "
      .. "/api/keys 创建。",
  },
  api_key_not_accepted = {
    status = 401,
    en = "API keys are not accepted at this address, only under /v1. Log in "
      .. "and send the token instead.",
    zh = "此地址不接受 API 密钥（仅限 /v1），请登录后使用令牌。",
  },
  key_not_found = {
    status = 404,
    en = "You have no such API key. It may have been deleted.",
    zh = "未找到该 API 密钥，它可能已被删除。",
  },
  too_many_keys = {
    status = 422,
    en = "You already have {limit} API keys. Delete one that is not used.",
    zh = "您的 API 密钥已达 {limit} 个，请先删除不用的密钥。",
  },
  invalid_credentials = {
    status = 401,
    en = "User name or password is wrong. Check both and try again.",
    zh = "用户名或密码错误，请检查后重试。",
  },
  login_throttled = {
    status = 429,
    en = "Too many attempts. Try again in {seconds} seconds.",
    zh = "尝试次数过多，请在 {seconds} 秒后重试。",
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
      .. "server's own page, or send the token in the Authorization header. "
      .. "To the server its own address is {address}: if browsers use another "
      .. "one, its operator must set public_url.",
    zh = "该请求来自其他网站，已被拒绝。请使用本站页面，"
      .. "或在 Authorization 请求头中发送令牌。"
      .. "服务器认为自己的地址是 {address}：如果浏览器使用的是其他地址，"
      .. "管理员需要设置 public_url。",
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
}
