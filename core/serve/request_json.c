/* Three steps: the strict check of the whole body, the choice of the wanted fields, and their
 * decoding. The first two build nothing, so unwanted fields cost almost nothing. For a large body
 * Lua's collector waits until everything is built: nothing of it is garbage yet, and scanning it
 * again and again would take most of the time. */
#include "serve/request_json.h"

#include "script/watchdog.h"

/* Bytes of a body that takes no time worth a word: stopping and starting the collector would only
 * upset its rhythm. */
#define SMALL 16384

struct reading {
    struct tt_str body;
    struct tt_err *err;
    int result;
};

static bool is_wanted(lua_State *L, int names, struct tt_str raw_key)
{
    struct tt_buf *key = tt_value_scratch(L);

    tt_json_unescape(raw_key, NULL, key);
    lua_pushlstring(L, key->data ? key->data : "", key->len);
    bool wanted = lua_rawget(L, names) != LUA_TNIL;
    lua_pop(L, 1);
    return wanted;
}

/* Puts the wanted members of a valid object onto `out`. */
static void choose(lua_State *L, int names, const struct tt_json_value *object, struct tt_buf *out)
{
    struct tt_json_value value;
    struct tt_str key;
    size_t cursor = 0;

    tt_buf_putc(out, '{');
    while (tt_json_next_member(object, &cursor, &key, &value)) {
        if (!is_wanted(L, names, key))
            continue;
        if (out->len > 1)
            tt_buf_putc(out, ',');
        tt_buf_append_str(out, key);
        tt_buf_putc(out, ':');
        tt_buf_append_str(out, value.raw);
    }
    tt_buf_putc(out, '}');
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
        wanted = tt_value_push_buf(L, whole.raw.len);
        choose(L, 2, &whole, wanted);
        whole.raw = tt_buf_str(wanted);
        reading->result = tt_json_weigh(whole.raw, TT_BODY_DEPTH_MAX, &weight, reading->err);
    }
    if (weight > TT_BODY_WEIGHT_MAX)
        reading->result =
            tt_err_set(reading->err, 413, "too_many_values", "too many values in the body");
    if (reading->result != 0)
        return 0;
    tt_value_decode_valid(L, whole.raw);
    if (wanted) /* now, and not when Lua comes to it, which does not see how large it is */
        tt_buf_free(wanted);
    return 1;
}

/* As a call of its own, so that an error of Lua cannot leave the collector or the watchdog off. */
static int call_uncharged(lua_State *L, bool free)
{
    bool collects = lua_gc(L, LUA_GCISRUNNING);

    lua_gc(L, LUA_GCSTOP);
    if (free)
        tt_budget_pause();
    int status = lua_pcall(L, 2, 1, 0);
    if (free)
        tt_budget_renew();
    if (collects)
        lua_gc(L, LUA_GCRESTART);
    return status;
}

int tt_request_json_push(lua_State *L, struct tt_str body, int names, bool free, struct tt_err *err)
{
    struct reading reading = {.body = body, .err = err};

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
    else if (call_uncharged(L, free) != LUA_OK)
        return lua_error(L);
    if (reading.result != 0)
        lua_pop(L, 1);
    return reading.result;
}
