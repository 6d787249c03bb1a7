-- Scripts of the server run sandboxed (see core/script/sandbox.c): no io, os,
-- debug, load, and no globals are set anywhere. Tests run in plain Lua.
std = "lua54"
max_line_length = 80
codes = true
exclude_files = { "lua/types/*.lua" }
files["lua"] = {
  not_globals = {
    "io", "os", "debug", "package", "load", "loadfile",
    "dofile", "collectgarbage", "print", "rawset", "warn",
  },
}
files["tests/lua"] = { std = "lua54+busted" }
