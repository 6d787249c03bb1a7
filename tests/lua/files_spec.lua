local tide = require "tests.lua.support.tide"

describe("policy.files", function()
  local policy

  before_each(function()
    tide.install()
    policy = require "policy.files"
  end)

  it("reads the contract's types and the configuration's", function()
    for type in
      (".txt .py .go .c .cpp .h .hpp .js .ts .java .html .css .md .json "
        .. ".xml .yaml .yml .pdf .docx"):gmatch("%S+")
    do
      assert.is_true(policy.readable(type, {}), type)
    end
    for _, type in ipairs({ "", ".", ".png", ".exe", "txt", ".TXT" }) do
      assert.is_false(policy.readable(type, {}), type)
    end
    assert.is_true(policy.readable(".tide", { ".a", ".tide" }))
  end)

  it("allows every type unless the configuration lists some", function()
    assert.is_true(policy.allowed("", {}))
    assert.is_true(policy.allowed(".exe", {}))
    assert.is_true(policy.allowed(".md", { ".txt", ".md" }))
    assert.is_false(policy.allowed(".exe", { ".txt" }))
    assert.is_false(policy.allowed("", { ".txt" }))
  end)

  it("puts one block a file behind the message", function()
    assert.equal("hi", policy.content("hi", nil))
    assert.equal("hi", policy.content("hi", {}))
    local files = { { name = "a.c", text = "int a;" }, { name = "b.md" } }
    assert.equal(
      "hi\n\n=== a.c ===\nint a;\n\n=== b.md ===\n"
        .. "(too long to be sent again)",
      policy.content("hi", files)
    )
    assert.equal(
      "=== a.c ===\nint a;",
      policy.content("", { files[1] })
    )
  end)

  it("puts images beside the text", function()
    local image = { media_type = "image/png" }
    local files = {
      { name = "a.png", image = image },
      { name = "a.c", text = "int a;" },
      { name = "b.png", image = image },
    }
    assert.same({
      { type = "text", text = "hi\n\n=== a.c ===\nint a;" },
      { type = "image", image = image },
      { type = "image", image = image },
    }, policy.content("hi", files))
    local only = policy.content("", { files[1] })
    assert.same({ { type = "image", image = image } }, only)
  end)
end)

describe("files.files", function()
  local service, log, row, kept, written

  before_each(function()
    log, kept, written = {}, "the key", { { id = 9, changes = 1 } }
    row = { id = 1, session_id = "s" }
    local function note(what, value)
      log[#log + 1] = what
      return value
    end
    tide.install({
      db = {
        one = function(sql)
          if sql:find("file_bytes", 1, true) then
            return row and { bytes = 10, files = 0 }
          end
        end,
        query = function()
          return {}
        end,
        write = function(statements)
          note("write " .. statements[1][1]:match("^%s*(%u+)"))
          if written.code then
            return nil, written
          end
          return written
        end,
      },
      file_store = {
        store = function()
          note("store")
          if not kept then
            return nil, { code = "disk_full" }
          end
          return kept
        end,
        remove = function(key)
          return note("remove " .. key, true)
        end,
        read_text = function(key, type)
          return note("read " .. key .. type, "text")
        end,
      },
      time = {
        now = function()
          return "2026-01-01T00:00:00.000000Z"
        end,
      },
    }, {
      ["files.types"] = {},
      ["files.text_types"] = {},
      ["limits.user_files"] = 100,
    })
    service = require "files.files"
  end)

  local UPLOAD = { file_name = "a.txt", file_type = ".txt", size = 5 }

  local function save(change)
    local upload = setmetatable(change or {}, { __index = UPLOAD })
    return service.save_file(7, "s", upload, "en")
  end

  it("writes the row after the bytes are kept", function()
    local file = save()
    assert.same({ id = 9, file_name = "a.txt", file_type = ".txt" }, file)
    assert.same({ "store", "write INSERT" }, log)
  end)

  it("keeps nothing of what it refuses", function()
    local function code_of(change)
      local _, err = save(change)
      return err.code
    end
    assert.equal("invalid_field", code_of({ file_name = ("潮"):rep(256) }))
    assert.equal("quota_exceeded", code_of({ size = 91 }))
    row = nil
    assert.equal("session_not_found", code_of())
    assert.same({}, log)
  end)

  it("removes the bytes when the row cannot be written", function()
    written = { code = "database_error" }
    local _, err = save()
    assert.equal("database_error", err.code)
    assert.same({ "store", "write INSERT", "remove the key" }, log)
  end)

  it("keeps the bytes when the row may be there after all", function()
    written = { code = "database_error", unknown = true }
    save()
    assert.same({ "store", "write INSERT" }, log)
  end)

  it("writes no row when the bytes cannot be kept", function()
    kept = nil
    local _, err = save()
    assert.equal("disk_full", err.code)
    assert.same({ "store" }, log)
  end)

  it("decodes a file once", function()
    local file = {
      id = 1,
      file_key = "k",
      file_name = "a.txt",
      file_type = ".txt",
      is_processed = 0,
      text_error = "",
    }
    assert.equal("text", service.process_file_content(7, file))
    assert.same({ "read k.txt", "write UPDATE" }, log)
    file.is_processed, file.content = 1, "stored"
    assert.equal("stored", service.process_file_content(7, file))
    assert.equal(2, #log)
    file.is_processed, file.text_error = 0, "extract_timeout"
    local _, stored = service.process_file_content(7, file)
    assert.equal("extract_timeout", stored.code)
    assert.equal(2, #log)
    file.file_type = ".png"
    local _, err = service.process_file_content(7, file)
    assert.equal("file_not_text", err.code)
  end)
end)
