/* Checks texts that came in an address or a form: there is one level, numbers and truth are texts,
 * and a list is a name that came more than once. */
#include "base/utf8.h"
#include "script/schema_check.h"

#include <stdlib.h>

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

/* Decimal, as JSON has them: strtod takes far more. */
static bool decimal_of(struct tt_str text, lua_Number *number)
{
    const char *p = text.data;
    size_t digits;

    p += *p == '-' || *p == '+';
    p += digits = strspn(p, "0123456789");
    if (digits > 0 && *p == '.') {
        p += 1 + (digits = strspn(p + 1, "0123456789"));
    }
    if (digits > 0 && (*p == 'e' || *p == 'E')) {
        p += 1 + (p[1] == '-' || p[1] == '+');
        p += digits = strspn(p, "0123456789");
    }
    if (digits == 0 || p != text.data + text.len)
        return false;
    *number = strtod(text.data, NULL);
    return *number - *number == 0; /* finite */
}

/* Makes a number of the text on top. */
static void read_number(lua_State *L, const struct tt_schema *schema)
{
    lua_Integer integer;
    lua_Number number;
    struct tt_str text;

    if (lua_type(L, -1) != LUA_TSTRING)
        return;
    text.data = lua_tolstring(L, -1, &text.len);
    bool whole = number_of(text, &integer);
    if (!whole && !(schema->type == TT_SCHEMA_NUMBER && decimal_of(text, &number)))
        return;
    lua_pop(L, 1);
    if (whole)
        lua_pushinteger(L, integer);
    else
        lua_pushnumber(L, number);
}

/* Makes true or false of the text on top: "on" is a box of a form. */
static void read_boolean(lua_State *L)
{
    static const char *const words[] = {"false", "true", "0", "1", "off", "on"};

    if (lua_type(L, -1) != LUA_TSTRING)
        return;
    for (size_t i = 0; i < TT_COUNT(words); i++) {
        if (strcmp(lua_tostring(L, -1), words[i]) != 0)
            continue;
        lua_pop(L, 1);
        lua_pushboolean(L, i % 2 == 1);
        return;
    }
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
    case TT_SCHEMA_NUMBER:
        read_number(L, field);
        tt_schema_check_number(L, field, values, &problem);
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
        read_boolean(L);
        if (!lua_isboolean(L, -1))
            problem.reason = tt_schema_must_be(field->type);
        break;
    case TT_SCHEMA_ARRAY:
    case TT_SCHEMA_OBJECT:
    case TT_SCHEMA_MAP:
    case TT_SCHEMA_ONE_OF:
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

/* Pushes the checked item at `index` of the texts on top. */
static bool push_item(lua_State *L, const struct tt_schema *field, lua_Integer index, int values,
                      int memory)
{
    const struct tt_schema_problem *inner = NULL;

    lua_rawgeti(L, -1, index);
    check_value(L, field->items, values, memory);
    if (tt_schema_mark_at(L, -1, &inner) != TT_SCHEMA_PROBLEM)
        return true;
    lua_pop(L, 1);
    tt_schema_push_problem(
        L, memory,
        &(struct tt_schema_problem){.inner = inner, .schema = field, .index = (size_t)index});
    return false;
}

/* Replaces the list of texts on top by the list of what they are, or by a problem. */
static void check_list(lua_State *L, const struct tt_schema *field, int values, int memory)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    struct tt_schema_problem problem = {.schema = field};
    int texts = lua_gettop(L);

    lua_createtable(L, (int)count, 0);
    if (field->has_min && count < field->min)
        problem = (struct tt_schema_problem){.reason = "too_few", .limit = field->min};
    else if (field->has_max && count > field->max)
        problem = (struct tt_schema_problem){.reason = "too_many", .limit = field->max};
    for (lua_Integer i = 1; i <= count && !problem.reason; i++) {
        lua_pushvalue(L, texts);
        bool fine = push_item(L, field, i, values, memory);
        lua_remove(L, -2);
        if (!fine) {
            lua_replace(L, texts);
            lua_settop(L, texts);
            return;
        }
        lua_rawseti(L, texts + 1, i);
    }
    if (problem.reason)
        tt_schema_push_problem(L, memory, &problem);
    else
        tt_value_mark_array(L);
    lua_replace(L, texts);
    lua_settop(L, texts);
}

/* Pushes what came under the name on top, which it replaces: of a list all texts, in a list. */
static void push_found(lua_State *L, const struct tt_schema *field, int texts, int lists)
{
    int name = lua_gettop(L);

    if (field->type == TT_SCHEMA_ARRAY && lists) {
        lua_pushvalue(L, name);
        if (lua_rawget(L, lists) != LUA_TNIL) {
            lua_replace(L, name);
            return;
        }
        lua_pop(L, 1);
    }
    lua_rawget(L, texts);
    if (field->type != TT_SCHEMA_ARRAY || lua_type(L, -1) != LUA_TSTRING)
        return;
    lua_createtable(L, 1, 0);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 1);
}

/* Pushes what came under each name. */
static void push_slots(lua_State *L, const struct tt_schema *schema, int values, int texts,
                       int lists, int memory)
{
    for (size_t i = 0; i < schema->name_count; i++) {
        const struct tt_schema *field = &schema->fields[schema->names[i].field];
        if (schema->names[i].alias)
            lua_pushlstring(L, schema->names[i].name.data, schema->names[i].name.len);
        else
            lua_rawgeti(L, values, field->name_value);
        push_found(L, field, texts, lists);
        if (lua_type(L, -1) == LUA_TSTRING && lua_rawlen(L, -1) == 0 &&
            tt_schema_skips_empty(field)) {
            lua_pop(L, 1);
            tt_schema_push_mark(L, TT_SCHEMA_EMPTY);
        } else if (field->type == TT_SCHEMA_ARRAY && lua_istable(L, -1)) {
            check_list(L, field, values, memory);
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

enum tt_schema_result tt_schema_read_texts(lua_State *L, int index, int texts, int lists)
{
    const struct tt_schema_problem *problem = NULL;
    int top = lua_gettop(L), others = 0;

    texts = lua_absindex(L, texts);
    lists = lists ? lua_absindex(L, lists) : 0;
    const struct tt_schema *schema = tt_schema_push_values(L, index);
    luaL_checkstack(L, (int)schema->name_count + 16, "schema");
    lua_pushnil(L); /* top + 2: the memory of problems */
    if (schema->open) {
        push_copy(L, texts);
        others = lua_gettop(L);
    }
    int slots = lua_gettop(L) + 1;
    push_slots(L, schema, top + 1, texts, lists, top + 2);
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
