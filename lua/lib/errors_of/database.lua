--- Errors of the database; see lib/errors.

---@type table<string, ErrorEntry>
return {
  duplicate = {
    status = 409,
    en = "This exists already. Choose another name.",
    zh = "该内容已存在，请换一个名称。",
  },
  foreign_key = {
    status = 409,
    en = "The item that this belongs to no longer exists. Load the page again.",
    zh = "它所属的内容已不存在，请重新加载页面。",
  },
  constraint = {
    status = 400,
    en = "A value is out of the range that can be stored. Check the fields.",
    zh = "有字段的值超出可存储的范围，请检查各字段。",
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
    en = "The database failed, nothing was stored. Try again. If it keeps "
      .. "failing, tell the operator the request id.",
    zh = "数据库出错，内容未保存。请重试；若持续失败，请将请求编号告知管理员。",
  },
  database_unavailable = {
    status = 503,
    en = "The database cannot be reached. Try again. If it keeps failing, tell "
      .. "the operator of this server.",
    zh = "无法连接数据库，请重试；若持续失败，请告知服务器管理员。",
  },
  database_read_only = {
    status = 503,
    en = "The database takes no changes at the moment. Try again.",
    zh = "数据库暂时不可写入，请稍后重试。",
  },
  transfer_failed = {
    status = 500,
    en = "The database was not copied. Read what 'tidetalk copy' printed.",
    zh = "数据库未复制，请查看 tidetalk copy 的输出。",
  },
  sql_error = {
    status = 500,
    en = "The server had an internal error. Tell its operator the request id.",
    zh = "服务器内部错误，请将请求编号告知管理员。",
  },
  query_too_slow = {
    status = 503,
    en = "This query takes too long. Ask for less at a time.",
    zh = "查询耗时过长，请缩小范围。",
  },
  too_many_rows = {
    status = 503,
    en = "There are too many results. Ask for fewer at a time.",
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
    zh = "已执行过的数据库迁移文件后来被改动。",
  },
  migration_missing = {
    status = 500,
    en = "The database was created by a newer version of this server.",
    zh = "数据库由更新版本的服务器创建。",
  },
  -- These two are the command line's (backup, restore); no request has them.
  database_damaged = {
    status = 500,
    en = "The database file is damaged. Restore a backup.",
    zh = "数据库文件已损坏，请恢复备份。",
  },
  file_exists = {
    status = 409,
    en = "There is a file of that name already. Choose another name.",
    zh = "该文件已存在，请换一个文件名。",
  },
}
