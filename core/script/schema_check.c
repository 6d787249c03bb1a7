/* The rules of schemas for single values and for the fields of an object. A problem is found where
 * it is, and only the first one of an object in the order of its fields is told: so problems wait
 * on the stack, in the places of the values. */
#include "script/schema_check.h"

#include "base/utf8.h"

#define NAME_MAX_CHARACTERS 60 /* of a path that clients are told: a map has their names */

static const char empty_mark, nothing_mark;

/* ---- marks and problems ---- */

void tt_schema_push_mark(lua_State *L, enum tt_schema_mark mark)
{
    lua_pushlightuserdata(L, (void *)(mark == TT_SCHEMA_EMPTY ? &empty_mark : &nothing_mark));
}

void tt_schema_push_problem(lua_State *L, int memory, const struct tt_schema_problem *problem)
{
    if (lua_isnil(L, memory)) {
        tt_value_push_arena(L);
        lua_replace(L, memory);
    }
    struct tt_schema_problem *kept = tt_arena_alloc(lua_touserdata(L, memory), sizeof(*kept));
    *kept = *problem;
    lua_pushlightuserdata(L, kept);
}

enum tt_schema_mark tt_schema_mark_at(lua_State *L, int index,
                                      const struct tt_schema_problem **problem)
{
    const void *mark = lua_type(L, index) == LUA_TLIGHTUSERDATA ? lua_touserdata(L, index) : NULL;

    if (!mark) /* JSON null too */
        return TT_SCHEMA_VALUE;
    if (mark == &empty_mark)
        return TT_SCHEMA_EMPTY;
    if (mark == &nothing_mark)
        return TT_SCHEMA_NOTHING;
    *problem = mark;
    return TT_SCHEMA_PROBLEM;
}

/* ---- texts and numbers ---- */

const char *tt_schema_must_be(enum tt_schema_type type)
{
    switch (type) {
    case TT_SCHEMA_INTEGER:
        return "must_be_integer";
    case TT_SCHEMA_NUMBER:
        return "must_be_number";
    case TT_SCHEMA_BOOLEAN:
        return "must_be_boolean";
    case TT_SCHEMA_ARRAY:
        return "must_be_array";
    case TT_SCHEMA_OBJECT:
    case TT_SCHEMA_MAP:
        return "must_be_object";
    default:
        return "must_be_string";
    }
}

static bool unfit(struct tt_schema_problem *problem, const char *reason, int64_t limit)
{
    problem->reason = reason;
    problem->limit = limit;
    return false;
}

/* A character takes one to four bytes: most texts need not be counted. */
static bool check_length(const struct tt_schema *schema, struct tt_str text,
                         struct tt_schema_problem *problem)
{
    int64_t bytes = (int64_t)text.len;
    bool surely_long = !schema->has_min || bytes / 4 >= schema->min;
    bool surely_short = !schema->has_max || bytes <= schema->max;

    if (surely_long && surely_short)
        return true;
    int64_t count = (int64_t)tt_utf8_count(text);
    if (schema->has_min && count < schema->min)
        return unfit(problem, "too_short", schema->min);
    if (schema->has_max && count > schema->max)
        return unfit(problem, "too_long", schema->max);
    return true;
}

static bool is_line(struct tt_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return false;
    return true;
}

static bool matches(lua_State *L, const struct tt_schema *schema, int values, int index)
{
    lua_getglobal(L, "string");
    lua_getfield(L, -1, "find");
    lua_pushvalue(L, index);
    lua_rawgeti(L, values, schema->pattern);
    lua_call(L, 2, 1);
    bool found = lua_toboolean(L, -1);
    lua_pop(L, 2);
    return found;
}

static bool is_choice(const struct tt_schema *schema, struct tt_str text)
{
    for (size_t i = 0; i < schema->choice_count; i++)
        if (tt_str_eq(schema->choices[i], text))
            return true;
    return false;
}

bool tt_schema_check_text(lua_State *L, const struct tt_schema *schema, int values, int index,
                          struct tt_schema_problem *problem)
{
    struct tt_str text;

    text.data = lua_tolstring(L, index, &text.len);
    if (!check_length(schema, text, problem))
        return false;
    if (schema->pattern &&
        !(schema->line ? is_line(text) : matches(L, schema, values, lua_absindex(L, index))))
        return unfit(problem, "bad_form", 0);
    if (schema->choices && !is_choice(schema, text))
        return unfit(problem, "not_one_of", 0);
    return true;
}

/* Replaces the top by the bound that a number was moved to. */
static bool move(lua_State *L, int64_t bound)
{
    lua_pop(L, 1);
    lua_pushinteger(L, bound);
    return true;
}

/* Bounds are integers, also those of numbers. */
static int compare(lua_State *L, int64_t bound)
{
    if (lua_isinteger(L, -1))
        return (lua_tointeger(L, -1) > bound) - (lua_tointeger(L, -1) < bound);
    return (lua_tonumber(L, -1) > (lua_Number)bound) - (lua_tonumber(L, -1) < (lua_Number)bound);
}

bool tt_schema_check_number(lua_State *L, const struct tt_schema *schema, int values,
                            struct tt_schema_problem *problem)
{
    bool fits =
        schema->type == TT_SCHEMA_NUMBER ? lua_type(L, -1) == LUA_TNUMBER : lua_isinteger(L, -1);

    if (!fits) {
        if (!schema->clamp)
            return unfit(problem, tt_schema_must_be(schema->type), 0);
        lua_pop(L, 1);
        if (schema->fallback)
            lua_rawgeti(L, values, schema->fallback);
        else
            tt_schema_push_mark(L, TT_SCHEMA_NOTHING);
        return true;
    }
    if (schema->has_min && compare(L, schema->min) < 0)
        return schema->clamp ? move(L, schema->min) : unfit(problem, "too_small", schema->min);
    if (schema->has_max && compare(L, schema->max) > 0)
        return schema->clamp ? move(L, schema->max) : unfit(problem, "too_large", schema->max);
    return true;
}

/* ---- objects ---- */

/* The slot of a field: that of its name, or of the first alias that came. */
static int slot_of(lua_State *L, const struct tt_schema *schema, size_t field, int slots)
{
    size_t at = schema->fields[field].first_name;
    int first = slots + (int)at;

    for (; at < schema->name_count && schema->names[at].field == field; at++)
        if (!lua_isnil(L, slots + (int)at))
            return slots + (int)at;
    return first;
}

/* Pushes the value of a field, or nil; false pushes a problem. */
static bool push_field(lua_State *L, const struct tt_schema *schema, size_t index, int values,
                       int slots, int memory)
{
    const struct tt_schema *field = &schema->fields[index];
    const struct tt_schema_problem *inner = NULL;
    int slot = slot_of(L, schema, index, slots), first = slots + (int)field->first_name;
    enum tt_schema_mark mark = tt_schema_mark_at(L, slot, &inner);
    bool absent = lua_isnil(L, slot) || tt_value_is_null(L, slot) || mark == TT_SCHEMA_EMPTY;

    if (inner || (absent && field->required)) {
        tt_schema_push_problem(L, memory,
                               &(struct tt_schema_problem){.inner = inner, .schema = field});
        return false;
    }
    if (absent && field->keep_null && tt_value_is_null(L, first))
        tt_value_push_null(L);
    else if (absent && field->fallback)
        lua_rawgeti(L, values, field->fallback);
    else if (absent || mark == TT_SCHEMA_NOTHING)
        lua_pushnil(L);
    else
        lua_pushvalue(L, slot);
    return true;
}

static void push_table(lua_State *L, const struct tt_schema *schema, int others)
{
    if (others)
        lua_pushvalue(L, others);
    else
        lua_createtable(L, 0, (int)schema->field_count + (schema->whole ? 1 : 0));
}

void tt_schema_finish_object(lua_State *L, const struct tt_schema *schema, int values, int slots,
                             int others, bool builds, int memory)
{
    int bottom = others ? others : slots;

    if (builds)
        push_table(L, schema, others);
    else
        lua_pushboolean(L, true);
    int table = lua_gettop(L);
    for (size_t i = 0; i < schema->field_count; i++) {
        lua_rawgeti(L, values, schema->fields[i].name_value);
        if (!push_field(L, schema, i, values, slots, memory)) {
            lua_replace(L, table);
            break;
        }
        if (builds && (others || !lua_isnil(L, -1)))
            lua_rawset(L, table);
        else
            lua_pop(L, 2);
    }
    lua_copy(L, table, bottom);
    lua_settop(L, bottom);
}

/* ---- what scripts are told ---- */

void tt_schema_put_name(struct tt_buf *path, struct tt_str name)
{
    if (path->len > 0)
        tt_buf_putc(path, '.');
    tt_buf_append_str(path, tt_str_of(name.data, tt_utf8_prefix(name, NAME_MAX_CHARACTERS)));
}

static const struct tt_schema_problem *put_path(const struct tt_schema_problem *problem,
                                                struct tt_buf *path)
{
    while (problem->inner || !problem->reason) {
        if (problem->index > 0) {
            tt_buf_printf(path, "[%zu]", problem->index);
        } else {
            tt_schema_put_name(path, problem->key.data ? problem->key : problem->schema->name);
        }
        if (!problem->inner)
            break;
        problem = problem->inner;
    }
    return problem;
}

static void push_choices(lua_State *L, const struct tt_schema *schema)
{
    struct tt_buf *choices = tt_value_scratch(L);

    for (size_t i = 0; i < schema->choice_count; i++) {
        if (i > 0)
            tt_buf_append_z(choices, ", ");
        tt_buf_append_str(choices, schema->choices[i]);
    }
    lua_pushlstring(L, choices->len > 0 ? choices->data : "", choices->len);
}

void tt_schema_push_refusal(lua_State *L, const struct tt_schema_problem *problem)
{
    lua_pushnil(L);
    lua_createtable(L, 0, 5);
    struct tt_buf *path = tt_value_scratch(L);
    problem = put_path(problem, path);
    lua_pushlstring(L, path->len > 0 ? path->data : "body", path->len > 0 ? path->len : 4);
    lua_setfield(L, -2, "field");
    lua_pushstring(L, problem->reason ? "invalid_field" : "missing_field");
    lua_setfield(L, -2, "code");
    if (!problem->reason)
        return;
    lua_pushstring(L, problem->reason);
    lua_setfield(L, -2, "reason");
    lua_pushinteger(L, problem->limit);
    lua_setfield(L, -2, "limit");
    if (problem->schema && problem->schema->choices) {
        push_choices(L, problem->schema);
        lua_setfield(L, -2, "choices");
    }
}
