/* Three steps: the strict check of the whole body, the choice of the wanted fields, and their
 * decoding. The first two build nothing, so unwanted fields cost almost nothing. */
#include "serve/request_json.h"

#include "script/value_raw.h"

/* Bytes of a body that takes no time worth a word: stopping and starting the collector would only
 * upset its rhythm. */
#define SMALL 16384

struct reading {
    struct tt_str body;
    const struct tt_request_json_wish *wish;
    struct tt_err *err;
    int result;
};

/* Pushes the key and what `names` says of it. */
static bool push_wanted(lua_State *L, int names, struct tt_str raw_key)
{
    struct tt_buf *key = tt_value_scratch(L);

    tt_json_unescape(raw_key, NULL, key);
    lua_pushlstring(L, key->data ? key->data : "", key->len);
    lua_pushvalue(L, -1);
    return lua_rawget(L, names) != LUA_TNIL;
}

static bool is_raw(lua_State *L, int index)
{
    return lua_type(L, index) == LUA_TSTRING && strcmp(lua_tostring(L, index), "json") == 0;
}

/* Whether the key at `key` is among the seen ones already; it is from now on. */
static bool is_seen(lua_State *L, int seen, int key)
{
    lua_pushvalue(L, key);
    bool before = lua_rawget(L, seen) != LUA_TNIL;
    lua_pushvalue(L, key);
    lua_pushboolean(L, true);
    lua_rawset(L, seen);
    lua_pop(L, 1);
    return before;
}

/* Puts the wanted members of a valid object onto `out`, and those that stay as they came into the
 * table at `raws`. Fails: one that is there twice, when that matters. */
static int choose(lua_State *L, const struct reading *reading, const struct tt_json_value *object,
                  int raws, struct tt_buf *out)
{
    int seen = lua_gettop(L) + 1, key_at = seen + 1;
    struct tt_json_value value;
    struct tt_str key;
    size_t cursor = 0;

    lua_newtable(L);
    tt_buf_putc(out, '{');
    for (; tt_json_next_member(object, &cursor, &key, &value); lua_settop(L, seen)) {
        if (!push_wanted(L, 2, key))
            continue;
        if (is_seen(L, seen, key_at) && reading->wish->once)
            return tt_err_set(reading->err, 400, "invalid_field", "%s", lua_tostring(L, key_at));
        bool raw = is_raw(L, key_at + 1) && value.type != TT_JSON_NULL;
        lua_pushvalue(L, key_at);
        if (raw)
            tt_value_raw_push_client(L, value.raw);
        else
            lua_pushnil(L); /* of equal keys the last one counts */
        lua_rawset(L, raws);
        if (raw)
            continue;
        if (out->len > 1)
            tt_buf_putc(out, ',');
        tt_buf_append_str(out, key);
        tt_buf_putc(out, ':');
        tt_buf_append_str(out, value.raw);
    }
    tt_buf_putc(out, '}');
    return 0;
}

/* Puts what stays as it came into the table on top. */
static void add_raws(lua_State *L, const struct reading *reading, int raws)
{
    int into = lua_gettop(L);

    for (lua_pushnil(L); lua_next(L, raws); lua_settop(L, into + 1)) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, into);
    }
    if (reading->wish->whole) {
        lua_pushstring(L, reading->wish->whole);
        tt_value_raw_push_client(L, reading->body);
        lua_rawset(L, into);
    }
}

/* 1 = the reading, 2 = the names or nil. */
static int read_body(lua_State *L)
{
    struct reading *reading = lua_touserdata(L, 1);
    struct tt_json_value whole = {.type = TT_JSON_OBJECT, .raw = reading->body};
    struct tt_buf *wanted = NULL;
    size_t weight;

    reading->result = tt_json_weigh(whole.raw, TT_BODY_DEPTH_MAX, &weight, reading->err);
    if (reading->result != 0)
        return 0;
    whole.raw = tt_str_trim(whole.raw); /* valid: only blanks are around it */
    if (!lua_isnil(L, 2) && whole.raw.data[0] == '{') {
        lua_newtable(L); /* 3 = what stays as it came */
        wanted = tt_value_push_buf(L, whole.raw.len);
        reading->result = choose(L, reading, &whole, 3, wanted);
        if (reading->result != 0)
            return 0;
        whole.raw = tt_buf_str(wanted);
        if (!reading->wish->whole) /* which may be decoded later */
            reading->result = tt_json_weigh(whole.raw, TT_BODY_DEPTH_MAX, &weight, reading->err);
    }
    if (weight > TT_BODY_WEIGHT_MAX)
        reading->result =
            tt_err_set(reading->err, 413, "too_many_values", "too many values in the body");
    if (reading->result != 0)
        return 0;
    tt_value_decode_valid(L, whole.raw);
    if (wanted) {
        add_raws(L, reading, 3);
        tt_buf_free(
            wanted); /* now, and not when Lua comes to it, which does not see how large it is */
    }
    return 1;
}

int tt_request_json_push(lua_State *L, struct tt_str body, int names,
                         const struct tt_request_json_wish *wish, struct tt_err *err)
{
    struct reading reading = {.body = body, .wish = wish, .err = err};

    if (body.len == 0) {
        lua_newtable(L);
        return 0;
    }
    names = lua_absindex(L, names);
    lua_pushcfunction(L, read_body);
    lua_pushlightuserdata(L, &reading);
    lua_pushvalue(L, names);
    if (body.len <= SMALL)
        lua_call(L, 2, 1);
    else if (tt_value_call_uncharged(L, 2, 1, wish->free) != LUA_OK)
        return lua_error(L);
    if (reading.result != 0)
        lua_pop(L, 1);
    return reading.result;
}
