/* JSON that is passed on as it came: spliced byte for byte, its parts are those of the decoded
 * document, and a change changes nothing else. */
#include "script.h"

static const char body[] =
    "local input = config.get('input')\n"
    "local raw, err = json.raw(input)\n"
    "local plain = json.decode(input)\n"
    "if not raw then return plain == nil and err.code == 'invalid_json' end\n"
    "if json.encode({raw}) ~= '[' .. input .. ']' then return 'splice' end\n"
    "if plain == json.null then return raw:type() == 'null' end\n"
    "local function same(a, b) return json.encode(a) == json.encode(b) end\n"
    "local function plain_of(part)\n"
    "  return json.is_raw(part) and json.decode(part) or part end\n"
    "if not same(json.decode(raw), plain) then return 'decode' end\n"
    "if type(plain) ~= 'table' then return true end\n"
    "local last = {}\n"
    "local object = raw:type() == 'object'\n"
    "for key, part in raw:each() do last[object and key or key + 1] = plain_of(part) end\n"
    "for key, value in pairs(plain) do\n"
    "  if last[key] == nil or not same(last[key], value) then return {'part', key} end\n"
    "  last[key] = nil\n"
    "end\n"
    "for key, value in pairs(last) do\n"
    "  if value ~= json.null then return {'more', key} end\n"
    "end\n"
    "if not object then\n"
    "  raw:set(0, 'new')\n"
    "  plain[1] = 'new'\n"
    "  return same(json.decode(raw), plain) or {'set', raw}\n"
    "end\n"
    "local made = raw:with({a = json.raw('[1.0]'), new = 5}, {'b'})\n"
    "plain.a, plain.new, plain.b = {1}, 5, nil\n"
    "if not same(json.decode(json.encode(made)), plain) then return {'with', made} end\n"
    "made:set('c', 7)\n"
    "plain.c = 7\n"
    "return same(json.decode(made), plain) or {'set', made}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return script_run(body, data, size);
}
