/* What a script describes of a request to an upstream, compiled: once for many requests
 * (llm.template), or for the one that it is part of. A description is a table with provider, url,
 * headers, body and deadlines. The body of a template has an object's members as they are in all of
 * its requests; the member `messages` is that of each request, unless
 * a request brings a body of its own. */
#include "base/secret.h"
#include "script/value_encode.h"
#include "script/value_raw.h"
#include "script/watchdog.h"
#include "tide/llm_start.h"
#include "tide/modules.h"
#include "upstream/adapt.h"

#define CLASS           "tide.Template"
#define BODY_MAX_SIZE   (64u << 20)
#define HEADER_MAX_SIZE 16384

static const char body_key, template_key;

/* ---- headers ---- */

/* A string, a secret, or a list of both that is joined; appended to the line. */
static void append_part(lua_State *L, int index, struct tt_buf *line, const char *name,
                        uint64_t *key)
{
    struct tt_str part;

    if (lua_type(L, index) == LUA_TSTRING) {
        part.data = lua_tolstring(L, index, &part.len);
        tt_buf_append_str(line, part);
    } else if (tt_value_secret(L, index, &part)) {
        tt_buf_append_str(line, part);
        if (key)
            *key += tt_secret_tag(part); /* the order of headers is not fixed */
    } else if (lua_type(L, index) == LUA_TTABLE) {
        for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, index); i++) {
            if (lua_rawgeti(L, index, i) == LUA_TTABLE)
                luaL_error(L, "header '%s': a list within a list", name);
            append_part(L, lua_gettop(L), line, name, key);
            lua_pop(L, 1);
        }
    } else {
        luaL_error(L, "header '%s' is a %s", name, luaL_typename(L, index));
    }
}

size_t tt_tide_llm_read_headers(lua_State *L, int index, struct tt_arena *arena,
                                struct tt_str *headers, uint64_t *key)
{
    size_t count = 0;

    if (lua_getfield(L, index, "headers") == LUA_TNIL) {
        lua_pop(L, 1);
        return 0;
    }
    luaL_checktype(L, -1, LUA_TTABLE);
    int table = lua_gettop(L);
    lua_pushnil(L);
    while (lua_next(L, table)) {
        if (lua_type(L, -2) != LUA_TSTRING || count == TT_TIDE_LLM_HEADERS_MAX)
            luaL_error(L, "headers: names must be strings, at most %d of them",
                       TT_TIDE_LLM_HEADERS_MAX);
        const char *name = lua_tostring(L, -2);
        struct tt_buf *line = tt_value_scratch(L);
        tt_buf_printf(line, "%s: ", name);
        append_part(L, lua_gettop(L), line, name, key);
        if (line->len > HEADER_MAX_SIZE)
            luaL_error(L, "header '%s' is too long", name);
        headers[count++] = tt_arena_str(arena, tt_buf_str(line));
        explicit_bzero(line->data, line->len);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return count;
}

static uint64_t mixed(uint64_t key, struct tt_str text)
{
    for (size_t i = 0; i < text.len; i++)
        key = (key ^ (unsigned char)text.data[i]) * 0x100000001b3u;
    return key;
}

/* Whose request it is, and what its service refuses. A configuration's models fail each on its own:
 * what tells them apart goes into the key. The provider's table is on top. */
static void read_names(lua_State *L, int index, struct tt_call_template_spec *spec)
{
    struct tt_str model = tt_value_field(L, index, "model");

    spec->configuration = tt_value_field_int(L, index, "configuration", 0);
    spec->version = tt_value_field_int(L, index, "version", 0);
    spec->model = mixed(0, model);
    spec->key = mixed((spec->key ^ (uint64_t)spec->configuration) * 0x100000001b3u, model);
    spec->learnt = tt_adapt_read(tt_value_field(L, index, "refused"));
    spec->refuses = tt_adapt_read(tt_value_field(L, lua_gettop(L), "refuses"));
}

void tt_tide_llm_wipe_headers(struct tt_str *headers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        explicit_bzero((char *)(uintptr_t)headers[i].data, headers[i].len);
}

/* ---- deadlines ---- */

static uint64_t deadline(lua_State *L, int table, const char *key, const char *setting_key)
{
    struct tt_tide *tide = tt_tide_of(L);
    struct tt_tide_setting setting = {0};
    int64_t value = table ? tt_value_field_int(L, table, key, -1) : -1;

    if (value >= 0)
        return (uint64_t)value;
    tide->setting(setting_key, &setting, tide->setting_arg);
    return (uint64_t)setting.integer;
}

static struct tt_deadlines read_deadlines(lua_State *L, int index)
{
    struct tt_deadlines deadlines;
    int table = lua_getfield(L, index, "deadlines") == LUA_TTABLE ? lua_gettop(L) : 0;

    deadlines.connect = deadline(L, table, "connect", "upstream.connect_timeout");
    deadlines.first_byte = deadline(L, table, "first_byte", "upstream.first_byte_timeout");
    deadlines.between = deadline(L, table, "between", "upstream.between_timeout");
    deadlines.total = deadline(L, table, "total", "upstream.total_timeout");
    lua_pop(L, 1);
    return deadlines;
}

/* ---- templates ---- */

static int template_gc(lua_State *L)
{
    struct tt_call_template **holder = luaL_checkudata(L, 1, CLASS);
    tt_call_template_unref(*holder);
    *holder = NULL;
    return 0;
}

static struct tt_call_template **push_holder(lua_State *L)
{
    struct tt_call_template **holder = lua_newuserdatauv(L, sizeof(*holder), 0);

    *holder = NULL;
    if (luaL_getmetatable(L, CLASS) == LUA_TNIL) {
        lua_pop(L, 1);
        tt_value_new_class(L, CLASS, (luaL_Reg[]){{NULL, NULL}}, template_gc);
        luaL_getmetatable(L, CLASS);
    }
    lua_setmetatable(L, -2);
    return holder;
}

/* Pushes a template of the description at `index`, with the text of the body around what differs.
 */
static struct tt_call_template *push_template(lua_State *L, int index, struct tt_arena *arena,
                                              struct tt_str before, struct tt_str after)
{
    struct tt_str *headers = tt_arena_alloc(arena, TT_TIDE_LLM_HEADERS_MAX * sizeof(struct tt_str));
    struct tt_call_template_spec spec = {.before = before, .after = after, .headers = headers};

    if (lua_getfield(L, index, "provider") != LUA_TTABLE)
        luaL_error(L, "what to ask needs 'provider' or 'play'");
    spec.spec = tt_tide_llm_provider_spec(L, lua_gettop(L));
    spec.url = tt_value_field(L, index, "url").data;
    if (!spec.url)
        luaL_error(L, "what to ask needs 'url'");
    spec.deadlines = read_deadlines(L, index);
    spec.header_count = tt_tide_llm_read_headers(L, index, arena, headers, &spec.key);
    read_names(L, index, &spec);
    struct tt_call_template **holder = push_holder(L);
    *holder = tt_call_template_new(&spec);
    tt_tide_llm_wipe_headers(headers, spec.header_count);
    lua_remove(L, -2);
    return *holder;
}

/* Which members of a template's body stand before the messages: bodies are sorted by name. */
static bool is_before(void *arg, struct tt_str key)
{
    (void)arg;
    return strcmp(key.data, "messages") < 0;
}

static bool is_after(void *arg, struct tt_str key)
{
    (void)arg;
    return strcmp(key.data, "messages") > 0;
}

int tt_tide_llm_template(lua_State *L)
{
    const struct tt_value_choice first = {is_before, NULL}, last = {is_after, NULL};

    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct tt_arena *arena = tt_value_push_arena(L);
    struct tt_buf *body = tt_value_push_buf(L, BODY_MAX_SIZE);
    struct tt_value_encoder encoder = {.writer.buf = body};
    if (lua_getfield(L, 1, "body") != LUA_TTABLE)
        return luaL_error(L, "llm.template: 'body' must be a table");
    tt_json_begin_object(&encoder.writer);
    tt_value_encode_members(L, 4, &encoder, 1, &first);
    tt_json_key(&encoder.writer, TT_STR("messages"));
    size_t cut = body->len;
    tt_json_raw(&encoder.writer, TT_STR(" "));
    tt_value_encode_members(L, 4, &encoder, 1, &last);
    tt_json_end_object(&encoder.writer);
    push_template(L, 1, arena, tt_str_of(body->data, cut),
                  tt_str_of(body->data + cut + 1, body->len - cut - 1));
    return 1;
}

/* ---- candidates ---- */

/* 1 = the value, 2 = the buffer. */
static int encode_into(lua_State *L)
{
    tt_value_encode_body(L, 1, lua_touserdata(L, 2));
    return 0;
}

/* The conversation, or whatever a script has put there instead. Its bytes are the client's: writing
 * them is not the script's time. */
static void encode_messages(lua_State *L, int index, struct tt_buf *body)
{
    lua_pushcfunction(L, encode_into);
    lua_getfield(L, index, "messages");
    lua_pushlightuserdata(L, body);
    bool paused = tt_budget_pause_once();
    int status = lua_pcall(L, 2, 0, 0);
    if (paused)
        tt_budget_renew();
    if (status != LUA_OK)
        lua_error(L);
}

/* Pushes nothing: the candidate's table keeps the body alive, as long as what it was read from. */
static struct tt_buf *new_body(lua_State *L, int index)
{
    struct tt_buf *body = tt_value_push_buf(L, BODY_MAX_SIZE);
    lua_rawsetp(L, index, &body_key);
    return body;
}

static void append(lua_State *L, struct tt_buf *body, struct tt_str text)
{
    if (tt_buf_append_str(body, text) != 0)
        tt_value_raise_full(L, body, "the body would be too large");
}

/* A table is encoded here: the text of a long conversation never becomes a Lua string. */
static struct tt_buf *read_body(lua_State *L, int index)
{
    struct tt_buf *body = new_body(L, index);

    lua_pushliteral(L, "body");
    switch (lua_rawget(L, index)) {
    case LUA_TTABLE:
        tt_value_encode_body(L, -1, body);
        break;
    case LUA_TSTRING:
        append(L, body, tt_value_field(L, index, "body"));
        break;
    case LUA_TNIL:
        break;
    default:
        if (tt_value_raw_append(L, -1, body)) {
            if (body->len == 0)
                tt_value_raise_full(L, body, "the body would be too large");
            break;
        }
        luaL_error(L, "field 'body' must be a table or a string, not a %s", luaL_typename(L, -1));
    }
    lua_pop(L, 1);
    return body;
}

static struct tt_buf *fill_body(lua_State *L, int index, const struct tt_call_template *template)
{
    struct tt_buf *body = new_body(L, index);

    append(L, body, template->before);
    encode_messages(L, index, body);
    append(L, body, template->after);
    return body;
}

void tt_tide_llm_read_candidate(lua_State *L, int index, struct tt_retry_candidate *candidate,
                                struct tt_arena *arena)
{
    if (lua_getfield(L, index, "template") == LUA_TNIL) {
        lua_pop(L, 1);
        candidate->template = push_template(L, index, arena, TT_STR(""), TT_STR(""));
        lua_rawsetp(L, index, &template_key); /* kept alive likewise */
        candidate->body = candidate->body_of ? NULL : read_body(L, index);
        return;
    }
    struct tt_call_template **holder = luaL_testudata(L, -1, CLASS);
    if (!holder)
        luaL_error(L, "field 'template' is no template");
    lua_pop(L, 1);
    candidate->template = *holder;
    if (candidate->body_of)
        return;
    lua_pushliteral(L, "body");
    bool whole = lua_rawget(L, index) != LUA_TNIL;
    lua_pop(L, 1);
    candidate->body = whole ? read_body(L, index) : fill_body(L, index, *holder);
}
