-- Scripts of the server run sandboxed (see core/script/sandbox.c). What the
-- sandbox has of io, os, debug, package, load, print, rawset and warn is for
-- plugins and their libraries. No globals are set anywhere. The specs of tests/lua run
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
