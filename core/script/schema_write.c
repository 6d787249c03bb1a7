/* Writes answers. A declared member costs one lookup by a string that is there and the copy of its
 * key; only a table with more members than those is walked for the others. */
#include "script/schema.h"
#include "script/value_encode.h"

/* Where in the answer something is. */
struct place {
    const struct place *outer; /* NULL: the answer itself */
    const struct tt_schema *schema;
};

struct writing {
    lua_State *L;
    int strings;
    const struct tt_schema_listener *listener;
    struct tt_value_encoder encoder;
};

struct undeclared {
    const struct writing *writing;
    const struct place *place;
};

static void put_place(const struct place *place, struct tt_buf *out)
{
    if (!place)
        return;
    put_place(place->outer, out);
    if (place->schema->name.len > 0) {
        if (out->len > 0)
            tt_buf_putc(out, '.');
        tt_buf_append_str(out, place->schema->name);
    }
    if (place->schema->type == TT_SCHEMA_ARRAY)
        tt_buf_append_z(out, "[]");
}

static void tell(const struct undeclared *undeclared, struct tt_str key)
{
    const struct tt_schema_listener *listener = undeclared->writing->listener;
    struct tt_buf place = {0};

    put_place(undeclared->place, &place);
    if (place.len > 0)
        tt_buf_putc(&place, '.');
    tt_buf_append_str(&place, key);
    listener->on_undeclared(listener->arg, tt_buf_str(&place));
    tt_buf_free(&place);
}

static bool is_undeclared(void *arg, struct tt_str key)
{
    const struct undeclared *undeclared = arg;
    const struct tt_schema *schema = undeclared->place->schema;

    for (size_t i = 0; i < schema->field_count; i++)
        if (tt_str_eq(schema->fields[i].name, key))
            return false;
    if (undeclared->writing->listener && !schema->open)
        tell(undeclared, key);
    return true;
}

static bool has_more(lua_State *L, int index, size_t count)
{
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (count-- == 0) {
            lua_pop(L, 1);
            return true;
        }
    }
    return false;
}

static void write_value(struct writing *writing, const struct place *place, int index, int depth);

static void write_object(struct writing *writing, const struct place *place, int index, int depth)
{
    const struct tt_schema *schema = place->schema, *end = schema->fields + schema->field_count;
    struct tt_json_writer *w = &writing->encoder.writer;
    lua_State *L = writing->L;
    size_t found = 0;

    tt_json_begin_object(w);
    for (const struct tt_schema *field = schema->fields; field < end; field++) {
        lua_rawgeti(L, writing->strings, field->position);
        if (lua_rawget(L, index) != LUA_TNIL) {
            found++;
            tt_json_raw_key(w, field->key);
            write_value(writing, &(struct place){place, field}, lua_gettop(L), depth + 1);
        }
        lua_pop(L, 1);
    }
    if (has_more(L, index, found)) {
        struct undeclared undeclared = {writing, place};
        tt_value_encode_members(L, index, &writing->encoder, depth + 1,
                                &(struct tt_value_choice){is_undeclared, &undeclared});
    }
    tt_json_end_object(w);
}

static void write_array(struct writing *writing, const struct place *place, int index, int depth)
{
    const struct place items = {place, place->schema->items};
    struct tt_json_writer *w = &writing->encoder.writer;
    lua_State *L = writing->L;
    lua_Unsigned count = lua_rawlen(L, index);

    tt_json_begin_array(w);
    for (lua_Unsigned i = 1; i <= count; i++) {
        lua_rawgeti(L, index, (lua_Integer)i);
        write_value(writing, &items, lua_gettop(L), depth + 1);
        lua_pop(L, 1);
    }
    tt_json_end_array(w);
}

/* A value of another type than declared is written as it is: an answer that was made is better than
 * none. */
static void write_value(struct writing *writing, const struct place *place, int index, int depth)
{
    enum tt_schema_type type = place->schema->type;
    bool object = type == TT_SCHEMA_OBJECT && place->schema->field_count > 0;
    lua_State *L = writing->L;

    if ((object || type == TT_SCHEMA_ARRAY) && lua_type(L, index) == LUA_TTABLE &&
        tt_value_is_array(L, index) != object) {
        tt_value_check_depth(L, depth);
        if (object)
            write_object(writing, place, index, depth);
        else
            write_array(writing, place, index, depth);
    } else {
        tt_value_encode_at(L, index, &writing->encoder, depth);
    }
}

void tt_schema_write(lua_State *L, const struct tt_schema *schema, int strings, int index,
                     const struct tt_schema_listener *listener, struct tt_buf *out)
{
    struct writing writing = {.L = L,
                              .strings = lua_absindex(L, strings),
                              .listener = listener,
                              .encoder.writer.buf = out};

    write_value(&writing, &(struct place){NULL, schema}, lua_absindex(L, index), 0);
}
