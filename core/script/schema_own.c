/* The functions `check` of schemas. They see values as the handler will: built, with defaults. */
#include "script/schema_check.h"

struct place {
    const struct place *outer;
    struct tt_str name; /* of a field, or a map's member */
    lua_Integer index;  /* of an item; 0: it is none */
};

static bool check(lua_State *L, const struct tt_schema *schema, int values,
                  const struct place *place);

static void put_place(const struct place *place, struct tt_buf *path)
{
    if (!place)
        return;
    put_place(place->outer, path);
    if (place->index)
        tt_buf_printf(path, "[%lld]", (long long)place->index);
    else
        tt_schema_put_name(path, place->name);
}

/* Pushes nil and what is wrong; the reason is on top. */
static void push_refusal(lua_State *L, const struct place *place)
{
    int reason = lua_gettop(L);
    struct tt_buf *path = tt_value_scratch(L);

    put_place(place, path);
    lua_pushnil(L);
    lua_createtable(L, 0, 3);
    lua_pushlstring(L, path->len > 0 ? path->data : "body", path->len > 0 ? path->len : 4);
    lua_setfield(L, -2, "field");
    lua_pushliteral(L, "invalid_field");
    lua_setfield(L, -2, "code");
    lua_pushvalue(L, reason);
    lua_setfield(L, -2, "message");
}

/* Calls the schema's own function with the value on top. */
static bool check_own(lua_State *L, const struct tt_schema *schema, int values,
                      const struct place *place)
{
    if (!schema->check)
        return true;
    lua_rawgeti(L, values, schema->check);
    lua_pushvalue(L, -2);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return true;
    }
    if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L,
                   "the check of a schema returned a %s: it returns nil, or a text that says "
                   "what is wrong",
                   luaL_typename(L, -1));
    push_refusal(L, place);
    return false;
}

/* Checks the value on top, and pops it. */
static bool check_inner(lua_State *L, const struct tt_schema *schema, int values,
                        const struct place *place)
{
    bool fine = lua_isnil(L, -1) || tt_value_is_null(L, -1) || check(L, schema, values, place);

    if (fine)
        lua_pop(L, 1);
    return fine;
}

static bool check_fields(lua_State *L, const struct tt_schema *schema, int values,
                         const struct place *outer)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct tt_schema *field = &schema->fields[i];
        if (!field->has_checks)
            continue;
        lua_rawgeti(L, values, field->name_value);
        lua_rawget(L, -2);
        if (!check_inner(L, field, values, &(struct place){outer, field->name, 0}))
            return false;
    }
    return true;
}

static bool check_items(lua_State *L, const struct tt_schema *schema, int values,
                        const struct place *outer)
{
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);

    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        if (!check_inner(L, schema->items, values, &(struct place){.outer = outer, .index = i}))
            return false;
    }
    return true;
}

static bool check_members(lua_State *L, const struct tt_schema *schema, int values,
                          const struct place *outer)
{
    int map = lua_gettop(L);

    for (lua_pushnil(L); lua_next(L, map);) {
        struct place place = {.outer = outer};
        place.name.data = lua_tolstring(L, -2, &place.name.len);
        if (!check_inner(L, schema->items, values, &place))
            return false;
    }
    return true;
}

/* What is wrong is found in the innermost place first. */
static bool check(lua_State *L, const struct tt_schema *schema, int values,
                  const struct place *place)
{
    bool fine = true;

    luaL_checkstack(L, 16, "checks");
    if (!schema->has_checks)
        return true;
    if (lua_istable(L, -1) && schema->type == TT_SCHEMA_OBJECT)
        fine = check_fields(L, schema, values, place);
    else if (lua_istable(L, -1) && schema->items && schema->items->has_checks)
        fine = schema->type == TT_SCHEMA_ARRAY ? check_items(L, schema, values, place)
                                               : check_members(L, schema, values, place);
    return fine && check_own(L, schema, values, place);
}

enum tt_schema_result tt_schema_run_checks(lua_State *L, int index)
{
    int value = lua_gettop(L);
    const struct tt_schema *schema = tt_schema_push_values(L, index);

    lua_pushvalue(L, value);
    if (check(L, schema, value + 1, NULL)) {
        lua_settop(L, value);
        return TT_SCHEMA_FINE;
    }
    lua_copy(L, -1, value + 1);
    lua_pushnil(L);
    lua_replace(L, value);
    lua_settop(L, value + 1);
    return TT_SCHEMA_REFUSED;
}
