-- Scripts of the server run sandboxed (see core/script/sandbox.c): no io, os,
-- debug, load, and no globals are set anywhere. The specs of tests/lua run
-- there too, with what tests/lua/support/spec.lua gives them.
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
files["tests/lua"] = {
  not_globals = {
    "io", "os", "debug", "load", "loadfile", "dofile",
    "collectgarbage", "print", "rawset", "warn",
  },
  globals = { "package" },
  read_globals = { "describe", "it", "before_each", "assert", "checkout" },
}
