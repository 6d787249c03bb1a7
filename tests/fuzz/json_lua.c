/* The core's reader and lua-cjson's make the same of every document that the checker accepts:
 * values of a body that no schema describes, and json.decode. */
#include "script.h"

static const char body[] =
    "local schema = require 'tide.schema'\n"
    "local ANY = {type = 'object', fields = {{name = 'v'}}}\n"
    "local input = config.get('input')\n"
    "local value, err = json.decode(input)\n"
    "if err then return err.code == 'invalid_json' end\n"
    "local depth = 0\n"
    "for _ in input:gmatch('[%[{]') do depth = depth + 1 end\n"
    "if depth > 50 then return true end\n" /* one is deeper than the other */
    "local read, problem = schema.read(ANY, '{\"v\":' .. input .. '}')\n"
    "if not read then return {problem, input} end\n"
    "if value == json.null then return read.v == nil or read.v == json.null end\n"
    "local a, b = json.encode(value), json.encode(read.v)\n"
    "if math.type(value) ~= math.type(read.v) then return {'type', a, b} end\n"
    "return a == b or {a, b}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return script_run(body, data, size);
}
