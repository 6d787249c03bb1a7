--- Errors of uploads and files; see lib/errors.

---@type table<string, ErrorEntry>
return {
  multipart_invalid = {
    status = 400,
    en = "The upload is not valid multipart/form-data. Send one part "
      .. "\"file\" with a file name and one part \"session_id\".",
    zh = "上传内容不是有效的 multipart/form-data，请发送带文件名的 file 和 "
      .. "session_id 两个部分。",
  },
  multipart_incomplete = {
    status = 400,
    en = "The upload ended before it was complete. Send it again.",
    zh = "上传内容不完整，请重新上传。",
  },
  multipart_too_many_parts = {
    status = 413,
    en = "The upload has too many parts. Send one file at a time.",
    zh = "上传内容的部分过多，请一次只上传一个文件。",
  },
  multipart_header_too_large = {
    status = 413,
    en = "The header of a part of the upload is too long. Give the file a "
      .. "shorter name.",
    zh = "上传内容中某部分的头过长，请缩短文件名。",
  },
  multipart_field_too_large = {
    status = 413,
    en = "A field of the upload is too long. Send the file as a part with a "
      .. "file name.",
    zh = "上传内容中的字段过长，请将文件作为带文件名的部分发送。",
  },
  file_too_large = {
    status = 413,
    en = "The file is too large. Send a smaller one.",
    zh = "文件过大，请上传较小的文件。",
  },
  file_type_not_allowed = {
    status = 422,
    en = "Files of the type \"{type}\" cannot be uploaded here.",
    zh = "此处不允许上传“{type}”类型的文件。",
  },
  file_not_text = {
    status = 422,
    en = "The file \"{name}\" has no text that a model could read. Attach a "
      .. "text file, PDF or docx.",
    zh = "文件“{name}”没有模型可读的文字，请附上文本文件、PDF 或 docx。",
  },
  images_not_supported = {
    status = 422,
    en = "The model \"{model_name}\" does not accept images, and \"{name}\" is "
      .. "one. Choose another model, or leave the image out.",
    zh = "模型“{model_name}”不支持图片，而“{name}”是图片，请更换模型或移除图片。",
  },
  image_unreadable = {
    status = 422,
    en = "The file \"{name}\" is not a PNG, JPEG, GIF or WebP "
      .. "image.",
    zh = "文件“{name}”不是有效的 PNG、JPEG、GIF 或 WebP 图片。",
  },
  images_too_large = {
    status = 413,
    en = "The images are too large: a message may have up to {count} of "
      .. "them, {each} MiB each and {all} MiB together.",
    zh = "图片过大：每条消息最多 {count} 张，每张不超过 {each} MiB，合计不超过 "
      .. "{all} MiB。",
  },
  quota_exceeded = {
    status = 413,
    en = "This file would exceed your storage space. Delete some files first.",
    zh = "加上此文件将超出您的可用空间，请先删除一些文件。",
  },
  too_many_files = {
    status = 422,
    en = "This chat session has reached its limit of files. Delete some, or "
      .. "begin another session.",
    zh = "该会话的文件数已达上限，请先删除一些，或开始新的会话。",
  },
  file_missing = {
    status = 404,
    en = "The file's bytes are no longer on the server. Upload it again.",
    zh = "文件内容已不在服务器上，请重新上传。",
  },
  store_failed = {
    status = 500,
    en = "The server could not store or read the file. Try again. If it "
      .. "keeps failing, tell the operator the request id.",
    zh = "服务器无法保存或读取文件。请重试；若持续失败，请将请求编号告知管理员。",
  },
  store_unavailable = {
    status = 503,
    retry_after = 5,
    en = "The server cannot reach the place where files are kept. Try again "
      .. "in a moment.",
    zh = "服务器暂时无法访问文件存储，请稍后重试。",
  },
  extract_failed = {
    status = 422,
    en = "The file's text cannot be read: it is damaged, protected, or not "
      .. "of the type that its name says.",
    zh = "无法读取文件中的文字：文件已损坏、受保护，或与扩展名不符。",
  },
  extract_too_large = {
    status = 422,
    en = "The file contains too much text. Send a shorter one.",
    zh = "文件中的文字过多，请上传较短的文件。",
  },
  extract_timeout = {
    status = 422,
    en = "Reading the file's text takes too long. Send a simpler one.",
    zh = "读取文件文字耗时过长，请上传较简单的文件。",
  },
}
