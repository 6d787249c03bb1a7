/* Checks texts that came in an address or a form: there is one level, and numbers are texts. */
#include "base/utf8.h"
#include "script/schema_check.h"

#define EXACT_MAX ((lua_Integer)1 << 53) /* the largest integer that JSON clients hold exactly */

/* The number in a text: decimal digits only, moved into what is exact. */
static bool number_of(struct tt_str text, lua_Integer *number)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    size_t i = negative || (text.len > 0 && text.data[0] == '+');

    *number = 0;
    if (i == text.len)
        return false;
    for (; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *number = *number * 10 + (text.data[i] - '0');
        if (*number > EXACT_MAX)
            *number = EXACT_MAX;
    }
    if (negative)
        *number = -*number;
    return true;
}

/* Makes a number of the text on top. */
static void read_number(lua_State *L)
{
    lua_Integer number;
    struct tt_str text;

    if (lua_type(L, -1) != LUA_TSTRING)
        return;
    text.data = lua_tolstring(L, -1, &text.len);
    if (!number_of(text, &number))
        return;
    lua_pop(L, 1);
    lua_pushinteger(L, number);
}

/* Checks the value on top, which is replaced. */
static void check_value(lua_State *L, const struct tt_schema *field, int values, int memory)
{
    struct tt_schema_problem problem = {.schema = field};
    bool is_text = lua_type(L, -1) == LUA_TSTRING;
    struct tt_str text = {0};

    if (is_text)
        text.data = lua_tolstring(L, -1, &text.len);
    switch (field->type) {
    case TT_SCHEMA_INTEGER:
        read_number(L);
        tt_schema_check_integer(L, field, values, &problem);
        break;
    case TT_SCHEMA_STRING:
        if (!is_text)
            problem.reason = tt_schema_must_be(field->type);
        else if (!tt_utf8_valid(text))
            problem.reason = "not_utf8";
        else
            tt_schema_check_text(L, field, values, -1, &problem);
        break;
    case TT_SCHEMA_PARTS:
        if (!is_text)
            problem.reason = tt_schema_must_be(field->type);
        break;
    case TT_SCHEMA_BOOLEAN:
        if (!lua_isboolean(L, -1))
            problem.reason = tt_schema_must_be(field->type);
        break;
    case TT_SCHEMA_ARRAY:
    case TT_SCHEMA_OBJECT:
        problem.reason = tt_schema_must_be(field->type);
        break;
    default:
        break;
    }
    if (problem.reason) {
        lua_pop(L, 1);
        tt_schema_push_problem(L, memory, &problem);
    }
}

/* Pushes what came under each name. */
static void push_slots(lua_State *L, const struct tt_schema *schema, int values, int texts,
                       int memory)
{
    for (size_t i = 0; i < schema->name_count; i++) {
        const struct tt_schema *field = &schema->fields[schema->names[i].field];
        if (schema->names[i].alias)
            lua_pushlstring(L, schema->names[i].name.data, schema->names[i].name.len);
        else
            lua_rawgeti(L, values, field->name_value);
        lua_rawget(L, texts);
        if (lua_type(L, -1) == LUA_TSTRING && lua_rawlen(L, -1) == 0 &&
            tt_schema_skips_empty(field)) {
            lua_pop(L, 1);
            tt_schema_push_mark(L, TT_SCHEMA_EMPTY);
        } else if (!lua_isnil(L, -1) && !tt_value_is_null(L, -1)) {
            check_value(L, field, values, memory);
        }
    }
}

/* Pushes a copy of the table at index. */
static void push_copy(lua_State *L, int index)
{
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_pushvalue(L, -2);
        lua_rawset(L, -5);
    }
}

enum tt_schema_result tt_schema_read_texts(lua_State *L, int index, int texts)
{
    const struct tt_schema_problem *problem = NULL;
    int top = lua_gettop(L), others = 0;

    texts = lua_absindex(L, texts);
    const struct tt_schema *schema = tt_schema_push_values(L, index);
    luaL_checkstack(L, (int)schema->name_count + 16, "schema");
    lua_pushnil(L); /* top + 2: the memory of problems */
    if (schema->open) {
        push_copy(L, texts);
        others = lua_gettop(L);
    }
    int slots = lua_gettop(L) + 1;
    push_slots(L, schema, top + 1, texts, top + 2);
    tt_schema_finish_object(L, schema, top + 1, slots, others, true, top + 2);
    bool refused = tt_schema_mark_at(L, -1, &problem) == TT_SCHEMA_PROBLEM;
    if (refused) {
        tt_schema_push_refusal(L, problem);
        lua_copy(L, -2, top + 1);
        lua_copy(L, -1, top + 2);
    } else {
        lua_copy(L, -1, top + 1);
    }
    lua_settop(L, top + 1 + refused);
    return refused ? TT_SCHEMA_REFUSED : TT_SCHEMA_FINE;
}
