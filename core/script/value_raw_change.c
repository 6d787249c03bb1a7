/* Changing JSON that is otherwise passed on as it came: `set` replaces the document of a value,
 * `with` makes another value of it. What is not changed is kept byte for byte, in its order; `with`
 * refers to what is long. */
#include "script/value_encode.h"
#include "script/value_raw_parts.h"

#define SPLICES_MAX 16
#define SPLICE_MIN  256  /* bytes: shorter ones are copied */
#define TEXT_MAX    4096 /* of a document in pieces: Lua does not see how much it is */

/* Values that are not copied: where in the text they belong. */
struct splices {
    size_t count;
    struct {
        size_t at;
        struct tt_str bytes;
    } list[SPLICES_MAX];
};

static void put_key(struct tt_json_writer *w, struct tt_str key)
{
    tt_json_raw_key(w, key);
    tt_json_raw_key(w, TT_STR(":"));
}

/* `splices` NULL: the value is copied. */
static void put_raw_member(struct tt_json_writer *w, struct tt_str key, struct tt_str value,
                           struct splices *splices)
{
    put_key(w, key);
    if (splices && splices->count < SPLICES_MAX && value.len >= SPLICE_MIN) {
        splices->list[splices->count].at = w->buf->len;
        splices->list[splices->count++].bytes = value;
        value = TT_STR("");
    }
    tt_json_raw(w, value);
}

static bool is_in(lua_State *L, int table, int key)
{
    lua_pushvalue(L, key);
    bool there = lua_rawget(L, table) != LUA_TNIL;
    lua_pop(L, 1);
    return there;
}

/* Writes an object of the value at 1 with its members in their order: those in the table at
 * `changes` with the value there, those in the table at `without` not at all. New members follow,
 * sorted. */
static void write_object(lua_State *L, const struct tt_json_value *object, int changes, int without,
                         struct tt_value_encoder *encoder, struct splices *splices)
{
    const struct tt_raw *raw = lua_touserdata(L, 1);
    struct tt_json_writer *w = &encoder->writer;
    struct tt_json_value value;
    struct tt_str key;
    size_t cursor = 0;
    int top = lua_gettop(L), left = top + 1, name = top + 2;

    luaL_checkstack(L, 8, "raw");
    lua_newtable(L); /* the changes that were not met yet */
    for (lua_pushnil(L); lua_next(L, changes); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, left);
    }
    tt_json_begin_object(w);
    while (tt_raw_next_member(raw, object, &cursor, &key, &value)) {
        tt_value_push_json_text(L, key);
        if (!is_in(L, changes, name)) {
            if (!is_in(L, without, name))
                put_raw_member(w, key, value.raw, splices);
        } else if (is_in(L, left, name)) {
            put_key(w, key);
            lua_pushvalue(L, name);
            lua_rawget(L, left);
            tt_value_encode_at(L, lua_gettop(L), encoder, 1);
            lua_pushvalue(L, name);
            lua_pushnil(L);
            lua_rawset(L, left);
        }
        lua_settop(L, left);
    }
    tt_value_encode_members(L, left, encoder, 1, NULL);
    tt_json_end_object(w);
    lua_settop(L, top);
}

/* The same of a list: the value at `value` becomes the item `index`, or nil removes it. False:
 * there is no such place. */
static bool write_array(lua_State *L, const struct tt_json_value *array, uint64_t index, int value,
                        struct tt_value_encoder *encoder)
{
    struct tt_json_writer *w = &encoder->writer;
    struct tt_json_value item;
    size_t cursor = 0;
    uint64_t i = 0;

    tt_json_begin_array(w);
    for (; tt_json_next(array, &cursor, &item); i++) {
        if (i != index)
            tt_json_raw(w, item.raw);
        else if (!lua_isnil(L, value))
            tt_value_encode_at(L, value, encoder, 1);
    }
    if (i == index && !lua_isnil(L, value))
        tt_value_encode_at(L, value, encoder, 1);
    tt_json_end_array(w);
    return index < i || (index == i && !lua_isnil(L, value));
}

static struct tt_value_encoder encoder_into(struct tt_buf *out)
{
    return (struct tt_value_encoder){.writer.buf = out};
}

/* Raises when what was written is no document any more: nested too deeply. */
static void check_written(lua_State *L, const struct tt_buf *out)
{
    struct tt_err err = {0};

    if (tt_json_check(tt_buf_str(out), TT_JSON_MAX_DEPTH, &err) != 0)
        luaL_error(L, "raw: %s", err.message);
}

/* The document at 1 with the part `step` of `container` changed to the value at 3, into `out`. */
static bool write_change(lua_State *L, struct tt_str whole, const struct tt_json_value *container,
                         struct tt_str step, struct tt_buf *out)
{
    struct tt_value_encoder encoder = encoder_into(out);
    bool removes = lua_isnil(L, 3), done = false;
    uint64_t index;

    if (container->type != TT_JSON_OBJECT && container->type != TT_JSON_ARRAY)
        return false;
    const char *rest = container->raw.data + container->raw.len;
    tt_buf_append(out, whole.data, (size_t)(container->raw.data - whole.data));
    if (container->type == TT_JSON_OBJECT) {
        int none = lua_gettop(L) + 1, change = none + 1;
        lua_newtable(L);
        lua_newtable(L);
        lua_pushlstring(L, step.data, step.len);
        lua_pushvalue(L, removes ? none : 3);
        lua_rawset(L, change);
        write_object(L, container, removes ? none : change, removes ? change : none, &encoder,
                     NULL);
        done = true;
    } else if (container->type == TT_JSON_ARRAY && tt_str_to_u64(step, &index) == 0) {
        done = write_array(L, container, index, 3, &encoder);
    }
    tt_buf_append(out, rest, (size_t)(whole.data + whole.len - rest));
    return done;
}

int tt_raw_set(lua_State *L)
{
    const struct tt_raw *raw = tt_raw_open(L, 1);
    struct tt_str path = tt_raw_check_path(L, 2), whole = tt_raw_document(raw).raw;

    luaL_checkany(L, 3);
    lua_settop(L, 3);
    struct tt_buf *out = tt_value_push_buf(L, 0);
    struct tt_json_value value = tt_raw_walk(L, raw, &path);
    bool done = write_change(L, whole, &value, path, out);
    if (done) {
        check_written(L, out);
        lua_pushlstring(L, out->data, out->len);
        tt_raw_set_text(L, 1);
        tt_value_raw_take_free(L, 1); /* it is not the client's any more */
    }
    lua_pushboolean(L, done);
    return 1;
}

/* Pushes a document of the text with what belongs in between, which is in the string that the value
 * at 1 keeps. The text's buffer is on top. */
static void push_pieces(lua_State *L, const struct tt_buf *text, const struct splices *splices)
{
    size_t from = 0;
    int buffer = lua_gettop(L);
    struct tt_raw *raw = tt_raw_push_empty(L, 2 * splices->count + 1);

    for (size_t i = 0; i < splices->count; i++) {
        size_t at = splices->list[i].at;
        raw->spans[2 * i] = tt_str_of(text->data + from, at - from);
        raw->spans[2 * i + 1] = splices->list[i].bytes;
        from = at;
    }
    raw->pieces = 2 * splices->count + 1;
    raw->spans[raw->pieces - 1] = tt_str_of(text->data + from, text->len - from);
    lua_getiuservalue(L, 1, 1);
    lua_setiuservalue(L, -2, 1);
    lua_pushvalue(L, buffer);
    lua_setiuservalue(L, -2, 2);
    if (text->len > TEXT_MAX)
        tt_raw_open(L, -1);
}

int tt_raw_with(lua_State *L)
{
    struct tt_json_value value = tt_raw_document(tt_raw_open(L, 1));
    struct splices splices = {0};

    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 3);
    lua_newtable(L); /* 4 = the names that go */
    if (!lua_isnil(L, 3)) {
        luaL_checktype(L, 3, LUA_TTABLE);
        for (lua_Integer i = 1; lua_rawgeti(L, 3, i) != LUA_TNIL; i++) {
            lua_pushboolean(L, true);
            lua_rawset(L, 4);
        }
        lua_settop(L, 4);
    }
    if (value.type != TT_JSON_OBJECT)
        return luaL_error(L, "raw: 'with' is for objects");
    struct tt_buf *out = tt_value_push_buf(L, 0);
    struct tt_value_encoder encoder = encoder_into(out);
    write_object(L, &value, 2, 4, &encoder, &splices);
    push_pieces(L, out, &splices);
    return 1;
}
