/* The request is a userdata that looks fields up on demand: most handlers use three of them. Fields
 * that were looked up, or set by scripts, are stored in the user value. After the exchange has
 * ended it returns nil for every field that was not looked up before. */
#include "serve/request.h"

#include "base/url.h"
#include "node/relay_token.h"
#include "script/schema.h"
#include "script/value.h"
#include "serve/credentials.h"
#include "serve/relay.h"
#include "serve/request_json.h"
#include "serve/request_pairs.h"
#include "serve/route_schema.h"
#include "tide/intake.h"
#include "tide/modules.h"

#include <stdlib.h>

#define REQUEST_META "tide.Request"

struct tt_request *tt_request_check(lua_State *L)
{
    void **holder = luaL_checkudata(L, 1, REQUEST_META);
    if (!*holder)
        luaL_error(L, "the request has ended");
    return *holder;
}

static void push_str(lua_State *L, struct tt_str s)
{
    if (s.data)
        lua_pushlstring(L, s.data, s.len);
    else
        lua_pushnil(L);
}

static void push_params(lua_State *L, struct tt_request *request)
{
    lua_createtable(L, 0, request->match.param_count);
    for (int i = 0; i < request->match.param_count; i++) {
        struct tt_buf *decoded = tt_value_scratch(L);
        /* An escape that cannot be decoded stays as it is: it matches nothing that is stored. */
        if (tt_url_decode(request->match.param[i], false, decoded) != 0) {
            tt_buf_clear(decoded);
            tt_buf_append_str(decoded, request->match.param[i]);
        }
        push_str(L, request->match.name[i]);
        lua_pushlstring(L, decoded->data ? decoded->data : "", decoded->len);
        lua_rawset(L, -3);
    }
}

static void push_query(lua_State *L, struct tt_request *request)
{
    tt_request_pairs_push(L, tt_http_query(request->exchange));
    lua_pop(L, 1);
}

bool tt_request_is_secure(const struct tt_request *request)
{
    if (request->caller)
        return request->caller->secure;
    return tt_http_behind_tls(request->exchange) ||
           tt_str_starts(request->dispatcher->settings->public_url, TT_STR("https://"));
}

/* Pushes a field; false when there is no such one. */
static bool push_field(lua_State *L, struct tt_request *request, const char *key)
{
    if (strcmp(key, "params") == 0)
        push_params(L, request);
    else if (strcmp(key, "query") == 0)
        push_query(L, request);
    else if (strcmp(key, "upload") == 0)
        tt_intake_push_upload(L, request->intake);
    else if (strcmp(key, "fields") == 0)
        tt_intake_push_fields(L, request->intake);
    else if (strcmp(key, "method") == 0)
        push_str(L, tt_http_method(request->exchange));
    else if (strcmp(key, "path") == 0)
        push_str(L, tt_http_path(request->exchange));
    else if (strcmp(key, "id") == 0)
        push_str(L, tt_http_request_id(request->exchange));
    else if (strcmp(key, "ip") == 0)
        push_str(L, tt_http_remote(request->exchange));
    else if (strcmp(key, "language") == 0)
        lua_pushstring(L, request->chinese ? "zh" : "en");
    else if (strcmp(key, "secure") == 0)
        lua_pushboolean(L, tt_request_is_secure(request));
    else if (strcmp(key, "from_listed_origin") == 0)
        lua_pushboolean(L, request->from_listed_origin);
    else if (strcmp(key, "generation") == 0)
        lua_pushinteger(L, request->generation->number);
    else if (strcmp(key, "caller") == 0 && request->caller)
        tt_value_decode_valid(L, request->caller->user);
    else if (strcmp(key, "relay") == 0 && request->dispatcher->relay)
        lua_pushcfunction(L, tt_request_relay); /* the pipeline's, no method for handlers */
    else
        return false;
    return true;
}

static int request_index(lua_State *L)
{
    void **holder = luaL_checkudata(L, 1, REQUEST_META);
    lua_settop(L, 2);
    lua_getiuservalue(L, 1, 1);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL)
        return 1;
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    if (!*holder || lua_type(L, 2) != LUA_TSTRING || !push_field(L, *holder, lua_tostring(L, 2)))
        return 0;
    lua_getiuservalue(L, 1, 1);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return 1;
}

/* From now on it is known whose work this is. The user is at 3. */
static void note_owner(lua_State *L, const struct tt_request *request)
{
    int64_t id = lua_istable(L, 3) ? tt_value_field_int(L, 3, "id", 0) : 0;
    if (request->task && id > 0)
        tt_task_set_owner(request->task, (uint64_t)id);
}

static int request_newindex(lua_State *L)
{
    void **holder = luaL_checkudata(L, 1, REQUEST_META);
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (*holder && strcmp(key, "user") == 0)
        note_owner(L, *holder);
    lua_getiuservalue(L, 1, 1);
    lua_insert(L, 2);
    lua_rawset(L, 2);
    return 0;
}

/* Collected before the exchange has ended, as under a stream: then there is nothing to clear. */
static int request_gc(lua_State *L)
{
    void **holder = luaL_checkudata(L, 1, REQUEST_META);
    struct tt_request *request = *holder;
    if (request)
        request->lua_request = NULL;
    *holder = NULL;
    return 0;
}

static int request_header(lua_State *L)
{
    push_str(L, tt_http_header(tt_request_check(L)->exchange, luaL_checkstring(L, 2)));
    return 1;
}

static int request_cookie(lua_State *L)
{
    push_str(L, tt_http_cookie(tt_request_check(L)->exchange, luaL_checkstring(L, 2)));
    return 1;
}

static int request_credentials(lua_State *L)
{
    bool from_cookie;
    push_str(L, tt_credentials_find(tt_request_check(L)->exchange, &from_cookie));
    lua_pushboolean(L, from_cookie);
    return 2;
}

static int request_raw_body(lua_State *L)
{
    tt_task_push_taken(L, tt_http_body(tt_request_check(L)->exchange));
    return 1;
}

static int request_read_json(lua_State *L)
{
    struct tt_request *request = tt_request_check(L);
    struct tt_str body = tt_http_body(request->exchange);
    bool free = !request->json_read;

    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        luaL_checktype(L, 2, LUA_TTABLE);
    request->json_read = true;
    tt_task_take(L, body.len);
    return tt_request_json_read(L, body, 2, free);
}

static int checked_texts(lua_State *L, int texts, int lists)
{
    if (tt_schema_read_texts(L, 2, texts, lists) != TT_SCHEMA_FINE)
        return 2;
    return tt_schema_run_checks(L, 2) == TT_SCHEMA_FINE ? 1 : 2;
}

static int request_read_query(lua_State *L)
{
    struct tt_request *request = tt_request_check(L);

    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    tt_request_pairs_push(L, tt_http_query(request->exchange));
    return checked_texts(L, 3, lua_isnil(L, 4) ? 0 : 4);
}

/* The fields of an upload, or the body of a form. */
static int request_read_form(lua_State *L)
{
    struct tt_request *request = tt_request_check(L);
    struct tt_err err = {0};

    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    if (request->intake) {
        tt_intake_push_fields(L, request->intake);
        return checked_texts(L, 3, 0);
    }
    struct tt_str body = tt_http_body(request->exchange);
    tt_task_take(L, body.len);
    if (tt_request_pairs_count(body) > TT_FORM_FIELDS_MAX) {
        tt_err_set(&err, 413, "too_many_values", "more than %d fields", TT_FORM_FIELDS_MAX);
        return tt_value_push_error(L, &err);
    }
    tt_request_pairs_push(L, body);
    return checked_texts(L, 3, lua_isnil(L, 4) ? 0 : 4);
}

static int request_encode(lua_State *L)
{
    struct tt_request *request = tt_request_check(L);

    luaL_checkany(L, 2);
    struct tt_buf *text = tt_value_scratch(L);
    tt_route_encode(L, request, 2, text);
    tt_buf_putc(text, '\n');
    lua_pushlstring(L, text->data, text->len);
    return 1;
}

static const luaL_Reg methods[] = {
    {"header", request_header},
    {"cookie", request_cookie},
    {"credentials", request_credentials},
    {"raw_body", request_raw_body},
    {"read_json", request_read_json},
    {"read_query", request_read_query},
    {"read_form", request_read_form},
    {"encode", request_encode},
    {NULL, NULL},
};

void tt_request_push_metatable(lua_State *L)
{
    if (!luaL_newmetatable(L, REQUEST_META))
        return;
    tt_value_hide_metatable(L);
    luaL_newlib(L, methods);
    lua_pushcclosure(L, request_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, request_newindex);
    lua_setfield(L, -2, "__newindex");
    lua_pushcfunction(L, request_gc);
    lua_setfield(L, -2, "__gc");
}

void tt_request_push(lua_State *L, struct tt_request *request)
{
    void **holder = lua_newuserdatauv(L, sizeof(void *), 1);
    *holder = NULL;
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    tt_request_push_metatable(L);
    lua_setmetatable(L, -2);
    *holder = request;
    request->lua_request = holder;
}

/* One language range and its quality, e.g. "zh-CN;q=0.8". */
static double quality(struct tt_str item, bool *chinese)
{
    struct tt_str rest = item, part;
    double q = 1;

    tt_str_split(&rest, ';', &part);
    part = tt_str_trim(part);
    *chinese = tt_str_starts_nocase(part, TT_STR("zh")) && (part.len == 2 || part.data[2] == '-');
    while (rest.data && rest.len && tt_str_split(&rest, ';', &part)) {
        part = tt_str_trim(part);
        if (part.len > 2 && (part.data[0] == 'q' || part.data[0] == 'Q') && part.data[1] == '=') {
            char number[8] = {0};
            memcpy(number, part.data + 2, part.len - 2 < 7 ? part.len - 2 : 7);
            q = strtod(number, NULL);
        }
    }
    return q;
}

bool tt_request_prefers_chinese(struct tt_str accept_language)
{
    double best_chinese = 0, best_other = 0;
    struct tt_str rest = accept_language, item;

    while (rest.data && rest.len && tt_str_split(&rest, ',', &item)) {
        bool chinese;
        item = tt_str_trim(item);
        if (item.len == 0)
            continue;
        double q = quality(item, &chinese);
        /* Of equals the first wins, as browsers mean it. */
        if (chinese && q > best_chinese && q > best_other)
            best_chinese = q;
        else if (!chinese && q > best_other && q > best_chinese)
            best_other = q;
    }
    return best_chinese > best_other;
}
