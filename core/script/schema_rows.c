/* Rows of the database as a list of JSON objects, by the schema of one object: a text goes from the
 * engine into the answer without becoming a string of Lua. The presenters of lua/web/objects.lua
 * make the same of a row as a table; whoever changes the rules changes both. */
#include "script/schema.h"

#define SPARE_DEPTH 8 /* containers around what a column holds */
#define STORED_MAX                                                                                 \
    32 /* declared members of an object that a column holds; later ones count as                   \
        * undeclared */

enum {
    NO_COLUMN = -1,
    OF_COLUMNS = -2 /* an object that is made of several columns */
};

struct row_writing {
    lua_State *L;
    int schema;                           /* its index */
    int changes;                          /* the index of their table; 0 = none */
    int id_column;                        /* by which it names rows */
    const struct tt_db_rows *rows;        /* at the row that is written */
    int16_t columns[TT_SCHEMA_SLOTS_MAX]; /* of the members, by their slots */
    struct tt_json_writer w;
};

/* ---- columns ---- */

static int find_column(const struct tt_db_rows *rows, struct tt_str name)
{
    for (int i = 0; i < rows->columns; i++)
        if (tt_str_eq(rows->names[i], name))
            return i;
    return NO_COLUMN;
}

/* Returns whether any member has a column. */
static bool find_columns(struct row_writing *writing, const struct tt_schema *object)
{
    bool found = false;

    for (size_t i = 0; i < object->field_count; i++) {
        const struct tt_schema *member = &object->fields[i];
        int column = find_column(writing->rows, member->column);
        if (column == NO_COLUMN && member->type == TT_SCHEMA_OBJECT &&
            find_columns(writing, member))
            column = OF_COLUMNS;
        writing->columns[member->slot] = (int16_t)column;
        found |= column != NO_COLUMN;
    }
    return found;
}

/* ---- JSON that a column holds ---- */

static void put_document(struct tt_json_writer *w, const struct tt_schema *schema,
                         const struct tt_json_value *value);

/* A member's name as documents have it. */
static struct tt_str quoted_name(const struct tt_schema *member)
{
    return tt_str_of(member->key.data, member->key.len - 1); /* without the colon */
}

/* The place of a key among the declared members; -1 = it is none. */
static int place_of(const struct tt_schema *schema, struct tt_str key)
{
    for (size_t i = 0; i < schema->field_count && i < STORED_MAX; i++)
        if (tt_str_eq(quoted_name(&schema->fields[i]), key))
            return (int)i;
    return -1;
}

/* Members in the order of the schema, of equal keys the last one; undeclared ones follow as they
 * are stored. */
static void put_members(struct tt_json_writer *w, const struct tt_schema *schema,
                        const struct tt_json_value *object)
{
    struct tt_json_value found[STORED_MAX] = {{0}}, value;
    size_t cursor = 0;
    struct tt_str key;
    bool others = false;
    int place;

    while (tt_json_next_member(object, &cursor, &key, &value)) {
        place = place_of(schema, key);
        others |= place < 0;
        if (place >= 0)
            found[place] = value;
    }
    tt_json_begin_object(w);
    for (size_t i = 0; i < schema->field_count && i < STORED_MAX; i++) {
        if (found[i].type == TT_JSON_NONE)
            continue;
        tt_json_raw_key(w, schema->fields[i].key);
        put_document(w, &schema->fields[i], &found[i]);
    }
    for (cursor = 0; others && tt_json_next_member(object, &cursor, &key, &value);) {
        if (place_of(schema, key) >= 0)
            continue;
        tt_json_raw_key(w, key);
        tt_json_raw_key(w, TT_STR(":"));
        tt_json_raw(w, value.raw);
    }
    tt_json_end_object(w);
}

static void put_document(struct tt_json_writer *w, const struct tt_schema *schema,
                         const struct tt_json_value *value)
{
    struct tt_json_value item;
    size_t cursor = 0;

    if (schema->type == TT_SCHEMA_OBJECT && value->type == TT_JSON_OBJECT) {
        put_members(w, schema, value);
    } else if (schema->type == TT_SCHEMA_ARRAY && value->type == TT_JSON_ARRAY) {
        tt_json_begin_array(w);
        while (tt_json_next(value, &cursor, &item))
            put_document(w, schema->items, &item);
        tt_json_end_array(w);
    } else {
        tt_json_raw(w, value->raw);
    }
}

/* ---- values ---- */

/* As a table would be encoded that has the column's value. */
static void put_plain(struct tt_json_writer *w, const struct tt_db_value *value)
{
    if (value->type == TT_DB_INT)
        tt_json_int(w, value->integer);
    else if (value->type == TT_DB_REAL)
        tt_json_num(w, value->real);
    else
        tt_json_str(w, value->text);
}

static void put_null(struct tt_json_writer *w, const struct tt_schema *member)
{
    if (!member->keep_null)
        return;
    tt_json_raw_key(w, member->key);
    tt_json_null(w);
}

/* What a function of Lua makes of the value. */
static void put_made(struct row_writing *writing, const struct tt_schema *member,
                     const struct tt_db_value *value)
{
    lua_State *L = writing->L;
    int top = lua_gettop(L);

    tt_schema_push_make(L, writing->schema, member);
    tt_value_push_db(L, value);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1)) {
        put_null(&writing->w, member);
    } else {
        tt_json_raw_key(&writing->w, member->key);
        tt_schema_put(L, member, top + 1, &writing->w);
    }
    lua_settop(L, top);
}

/* A text that is no JSON counts as NULL. */
static void put_stored(struct tt_json_writer *w, const struct tt_schema *member, struct tt_str text)
{
    struct tt_json_value value;

    if (tt_json_check(text, TT_JSON_MAX_DEPTH - SPARE_DEPTH, NULL) != 0) {
        put_null(w, member);
        return;
    }
    value = tt_json_value_of(text);
    tt_json_raw_key(w, member->key);
    put_document(w, member, &value);
}

static void put_member(struct row_writing *writing, const struct tt_schema *member,
                       const struct tt_db_value *value)
{
    bool text = value->type == TT_DB_TEXT || value->type == TT_DB_BLOB;
    struct tt_json_writer *w = &writing->w;

    if (member->make && !(text && value->text.len == 0)) {
        put_made(writing, member, value);
    } else if (member->make) {
        put_null(w, member);
    } else if (text && (member->type == TT_SCHEMA_ARRAY || member->type == TT_SCHEMA_OBJECT)) {
        put_stored(w, member, value->text);
    } else if (text) {
        tt_json_raw_key_str(w, member->key, value->text);
    } else {
        tt_json_raw_key(w, member->key);
        if (member->type == TT_SCHEMA_BOOLEAN && value->type == TT_DB_INT)
            tt_json_bool(w, value->integer != 0);
        else
            put_plain(w, value);
    }
}

/* Writes a member that the change at index (0: none) has. */
static bool put_changed(struct row_writing *writing, const struct tt_schema *member, int change)
{
    lua_State *L = writing->L;

    if (!change)
        return false;
    lua_pushlstring(L, member->name.data, member->name.len);
    bool changed = lua_rawget(L, change) != LUA_TNIL;
    if (changed) {
        tt_json_raw_key(&writing->w, member->key);
        tt_schema_put(L, member, lua_gettop(L), &writing->w);
    }
    lua_pop(L, 1);
    return changed;
}

static void put_object(struct row_writing *writing, const struct tt_schema *object, int change)
{
    tt_json_begin_object(&writing->w);
    for (size_t i = 0; i < object->field_count; i++) {
        const struct tt_schema *member = &object->fields[i];
        int column = writing->columns[member->slot];
        if (put_changed(writing, member, change))
            continue;
        if (column == OF_COLUMNS) {
            tt_json_raw_key(&writing->w, member->key);
            put_object(writing, member, 0);
        } else if (column == NO_COLUMN || writing->rows->values[column].type == TT_DB_NULL) {
            put_null(&writing->w, member);
        } else {
            put_member(writing, member, &writing->rows->values[column]);
        }
    }
    tt_json_end_object(&writing->w);
}

/* ---- rows ---- */

static void put_row(struct row_writing *writing, const struct tt_schema *schema)
{
    lua_State *L = writing->L;

    if (!writing->changes || writing->id_column == NO_COLUMN) {
        put_object(writing, schema, 0);
        return;
    }
    const struct tt_db_value *id = &writing->rows->values[writing->id_column];
    if (id->type == TT_DB_INT)
        lua_rawgeti(L, writing->changes, id->integer);
    else
        lua_pushnil(L);
    put_object(writing, schema, lua_istable(L, -1) ? lua_gettop(L) : 0);
    lua_pop(L, 1);
}

int tt_schema_write_rows(lua_State *L, int index, int changes, struct tt_db_rows *rows,
                         struct tt_buf *out, struct tt_err *err)
{
    const struct tt_schema *schema = tt_schema_of(L, index);
    struct row_writing writing; /* not zeroed: the columns are many and set below */
    int more;

    if (schema->slot_count > TT_SCHEMA_SLOTS_MAX)
        luaL_error(L, "a schema of rows has more than %d members", TT_SCHEMA_SLOTS_MAX);
    writing.L = L;
    writing.schema = index;
    writing.rows = rows;
    writing.w = (struct tt_json_writer){.buf = out};
    writing.changes = changes;
    writing.id_column = find_column(rows, TT_STR("id"));
    find_columns(&writing, schema);
    tt_json_begin_array(&writing.w);
    while ((more = tt_db_next(rows, err)) == TT_DB_ROW && !writing.w.failed)
        put_row(&writing, schema);
    tt_json_end_array(&writing.w);
    if (writing.w.failed) {
        if (out->no_memory)
            tt_err_set(err, 503, "no_memory", "no memory for the rows");
        else
            tt_err_set(err, 400, "too_many_rows", "the rows are more than %zu bytes of JSON",
                       out->max);
        return TT_DB_FAILED;
    }
    return more;
}
