--- Errors of the server, and of a start that fails; see lib/errors.

---@type table<string, ErrorEntry>
return {
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
  too_much_unread = {
    status = 429,
    en = "Answers that you have asked for and not read yet take too much "
      .. "memory. Read them or close their connections, then try again.",
    zh = "您已请求但尚未读取的响应占用内存过多，请先读取或关闭这些连接，再重试。",
  },
  no_memory = {
    status = 503,
    en = "The server is out of memory right now. Try again in a moment.",
    zh = "服务器内存不足，请稍后重试。",
  },
  node_draining = {
    status = 503,
    en = "This server takes no new messages because it is about to stop. Try "
      .. "again.",
    zh = "本服务器即将停止，不再接收新消息，请重试。",
  },
  not_a_node = {
    status = 409,
    en = "This server is alone: nodes.listen is not set, so there is no other "
      .. "one that could go on.",
    zh = "本服务器是单独运行的：未设置 nodes.listen，没有其他服务器可以接替。",
  },
  shutting_down = {
    status = 503,
    en = "The server is restarting. Try again in a moment.",
    zh = "服务器正在重启，请稍后重试。",
  },
  node_gone = {
    status = 503,
    en = "The server that worked on this has failed. Look at the conversation "
      .. "before you send it again: it may have been stored.",
    zh = "处理此请求的服务器发生故障。内容可能已保存，重新发送前请先查看对话。",
    retry = false,
  },
  node_unreachable = {
    status = 503,
    en = "The server on which this conversation runs cannot be reached. Try "
      .. "again in a moment.",
    zh = "无法连接到正在处理此对话的服务器，请稍后重试。",
  },
  not_owner = {
    status = 421,
    en = "Another server has taken over this conversation. Try again.",
    zh = "此对话已由另一台服务器接管，请重试。",
    retry = true,
  },
  internal = {
    status = 500,
    en = "The server had an internal error. Tell its operator the request id.",
    zh = "服务器内部错误，请将请求编号告知管理员。",
  },
  internal_error = {
    status = 500,
    en = "The server had an internal error. Tell its operator the request id.",
    zh = "服务器内部错误，请将请求编号告知管理员。",
  },
  scripts_invalid = {
    status = 422,
    en = "The scripts are not valid, nothing was loaded.",
    zh = "脚本无效，未加载任何内容。",
  },
  scripts_rolled_back = {
    status = 422,
    en = "These scripts were rolled back before. Change them, or use force.",
    zh = "这些脚本曾被回滚，请修改后重试，或使用 force。",
  },
  nodes_not_ready = {
    status = 503,
    en = "Not all nodes were ready to change their scripts, so nothing was "
      .. "changed. Try again.",
    zh = "并非所有节点都已准备好更换脚本，未作任何更改，请重试。",
  },
  nothing_to_roll_back = {
    status = 422,
    en = "There is no earlier generation to go back to.",
    zh = "没有可回滚的更早版本。",
  },
  script_error = {
    status = 500,
    en = "A script of this server failed. Tell its operator the request id.",
    zh = "服务器脚本出错，请将请求编号告知管理员。",
  },
  hook_failed = {
    status = 500,
    en = "A hook of this server failed, and nothing may be answered without "
      .. "it. Tell the server's operator the request id.",
    zh = "服务器的脚本钩子出错，缺少它便不能作答，请将请求编号告知管理员。",
  },
  script_timeout = {
    status = 500,
    en = "A script of this server ran too long and was stopped. Try again. "
      .. "If it keeps failing, tell the operator the request id.",
    zh = "服务器脚本运行超时已被终止。请重试；若持续如此，请将请求编号告知管理员。",
  },
  script_memory = {
    status = 500,
    en = "A script of this server used too much memory. Try again. If "
      .. "it keeps failing, tell the operator the request id.",
    zh = "服务器脚本内存超限。请重试；若持续如此，请将请求编号告知管理员。",
  },
  shared_too_large = {
    status = 503,
    en = "A script of this server stores too much in shared memory. Tell its "
      .. "operator the request id.",
    zh = "服务器脚本占用的共享内存过大，请将请求编号告知管理员。",
  },
  shared_not_integer = {
    status = 500,
    en = "A script of this server tried to count with a value that is not "
      .. "an integer. Tell its operator the request id.",
    zh = "服务器脚本对非整数值计数，请将请求编号告知管理员。",
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
    en = "The secret file cannot be read or created. The log says why.",
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
  http_library_unknown = {
    status = 503,
    en = "This version of the HTTP library does not behave as the server "
      .. "needs; the server does not start with it.",
    zh = "此版本 HTTP 库的行为不符合要求，服务器拒绝启动。",
  },
  node_refused = {
    status = 503,
    en = "Another node of this database has another secret file, or its files "
      .. "are elsewhere.",
    zh = "使用同一数据库的另一节点密钥文件不同，或文件存放位置不同。",
  },
  unwritable = {
    status = 500,
    en = "A folder cannot be made.",
    zh = "无法创建文件夹。",
  },
  database_lost = {
    status = 500,
    en = "The database is missing, but uploaded files or the secret file "
      .. "exist. Restore it from a backup.",
    zh = "数据库缺失，但其上传的文件或密钥文件仍在，请从备份恢复。",
  },
  seal_key_lost = {
    status = 500,
    en = "Stored API keys were encrypted with another secret file. Restore "
      .. "that file from a backup.",
    zh = "已保存的 API 密钥由另一密钥文件加密，请从备份恢复该文件。",
  },
  client_failed = {
    status = 500,
    en = "The library for outbound requests could not be started.",
    zh = "出站请求库启动失败。",
  },
  queue_full = {
    status = 503,
    en = "Too many jobs are waiting already. Try again later.",
    zh = "等待中的任务过多，请稍后再试。",
  },
  job_too_large = {
    status = 413,
    en = "A job's payload may have {max} bytes as JSON. Keep what is larger "
      .. "in a table or a file.",
    zh = "任务数据的 JSON 不得超过 {max} 字节，更大的内容请存入数据表或文件。",
  },
  job_not_found = {
    status = 404,
    en = "There is no such job, or it is not in a state that allows this.",
    zh = "任务不存在，或其状态不允许此操作。",
  },
  job_key_in_use = {
    status = 409,
    en = "A newer job has the key of this one. Remove one of them.",
    zh = "已有更新的任务使用同一键，请移除其中一个。",
  },
}
