/* Makes a schema of Lua into a program. Its memory is one arena, which Lua collects; names are also
 * kept as Lua strings, so that a key is found by its address. */
#include "script/schema.h"

#include "base/arena.h"

static const char programs_key;

struct compiler {
    struct tt_arena *arena;
    int strings; /* index of the table, which also keeps the functions */
    lua_Integer string_count;
    int slot_count, maker_count;
};

static const struct {
    const char *name;
    enum tt_schema_type type;
} types[] = {
    {"string", TT_SCHEMA_STRING}, {"integer", TT_SCHEMA_INTEGER}, {"boolean", TT_SCHEMA_BOOLEAN},
    {"array", TT_SCHEMA_ARRAY},   {"object", TT_SCHEMA_OBJECT},   {"parts", TT_SCHEMA_PARTS},
};

static enum tt_schema_type read_type(lua_State *L, int index, enum tt_schema_type fallback)
{
    enum tt_schema_type type = fallback;

    lua_pushliteral(L, "type");
    if (lua_rawget(L, index) == LUA_TSTRING)
        for (size_t i = 0; i < TT_COUNT(types); i++)
            if (strcmp(lua_tostring(L, -1), types[i].name) == 0)
                type = types[i].type;
    lua_pop(L, 1);
    return type;
}

static void read_name(lua_State *L, int index, struct compiler *compiler, struct tt_schema *schema)
{
    struct tt_str name = {0};
    struct tt_buf key = {0};

    lua_pushliteral(L, "name");
    if (lua_rawget(L, index) != LUA_TSTRING) {
        lua_pop(L, 1);
        return;
    }
    name.data = lua_tolstring(L, -1, &name.len);
    schema->name = tt_arena_str(compiler->arena, name);
    tt_json_key(&(struct tt_json_writer){.buf = &key}, name);
    schema->key = tt_arena_str(compiler->arena, tt_buf_str(&key));
    tt_buf_free(&key);
    schema->string = name.data;
    lua_rawseti(L, compiler->strings, ++compiler->string_count);
}

/* What is declared for rows of the database. */
static void read_source(lua_State *L, int index, struct compiler *compiler,
                        struct tt_schema *schema)
{
    schema->slot = compiler->slot_count++;
    schema->column = schema->name;
    lua_pushliteral(L, "column");
    if (lua_rawget(L, index) == LUA_TSTRING) {
        struct tt_str column;
        column.data = lua_tolstring(L, -1, &column.len);
        schema->column = tt_arena_str(compiler->arena, column);
    }
    lua_pushliteral(L, "keep_null");
    lua_rawget(L, index);
    schema->keep_null = lua_toboolean(L, -1);
    lua_pop(L, 2);
    lua_pushliteral(L, "make");
    if (lua_rawget(L, index) == LUA_TFUNCTION) {
        lua_rawseti(L, compiler->strings, ++compiler->string_count);
        schema->make = (int)compiler->string_count;
        compiler->maker_count++;
    } else {
        lua_pop(L, 1);
    }
}

static void compile(lua_State *L, int index, int depth, struct compiler *compiler,
                    struct tt_schema *schema);

/* Whether the field after the known ones is a new one. */
static bool is_new(const struct tt_schema *schema)
{
    const struct tt_schema *field = &schema->fields[schema->field_count];

    for (size_t i = 0; i < schema->field_count; i++)
        if (tt_str_eq(schema->fields[i].name, field->name))
            return false;
    return field->name.len > 0;
}

static void compile_fields(lua_State *L, int index, int depth, struct compiler *compiler,
                           struct tt_schema *schema)
{
    lua_pushliteral(L, "fields");
    if (lua_rawget(L, index) != LUA_TTABLE) {
        lua_pop(L, 1);
        return;
    }
    int fields = lua_gettop(L);
    size_t count = lua_rawlen(L, fields);
    schema->fields = tt_arena_alloc(compiler->arena, (count + 1) * sizeof(*schema->fields));
    for (size_t i = 1; i <= count; i++) {
        struct tt_schema *field = &schema->fields[schema->field_count];
        *field = (struct tt_schema){0};
        if (lua_rawgeti(L, fields, (lua_Integer)i) == LUA_TTABLE)
            compile(L, lua_gettop(L), depth + 1, compiler, field);
        schema->field_count += is_new(schema);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void compile_items(lua_State *L, int index, int depth, struct compiler *compiler,
                          struct tt_schema *schema)
{
    schema->items = tt_arena_alloc(compiler->arena, sizeof(*schema->items));
    lua_pushliteral(L, "items");
    if (lua_rawget(L, index) == LUA_TTABLE)
        compile(L, lua_gettop(L), depth + 1, compiler, schema->items);
    lua_pop(L, 1);
}

static void compile(lua_State *L, int index, int depth, struct compiler *compiler,
                    struct tt_schema *schema)
{
    if (depth >= TT_JSON_MAX_DEPTH)
        luaL_error(L, "a schema is nested deeper than %d (one that holds itself?)",
                   TT_JSON_MAX_DEPTH);
    luaL_checkstack(L, 8, "schema");
    schema->type = read_type(L, index, depth == 0 ? TT_SCHEMA_OBJECT : TT_SCHEMA_ANY);
    read_name(L, index, compiler, schema);
    read_source(L, index, compiler, schema);
    lua_pushliteral(L, "open");
    lua_rawget(L, index);
    schema->open = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (schema->type == TT_SCHEMA_OBJECT)
        compile_fields(L, index, depth, compiler, schema);
    else if (schema->type == TT_SCHEMA_ARRAY)
        compile_items(L, index, depth, compiler, schema);
}

/* 1 = the schema. Returns {arena, program, strings}. */
static int new_program(lua_State *L)
{
    struct compiler compiler = {0};

    lua_createtable(L, 3, 0);
    compiler.arena = tt_value_push_arena(L);
    lua_rawseti(L, 2, 1);
    lua_newtable(L);
    compiler.strings = 3;
    struct tt_schema *schema = tt_arena_alloc(compiler.arena, sizeof(*schema));
    compile(L, 1, 0, &compiler, schema);
    schema->slot_count = compiler.slot_count;
    schema->maker_count = compiler.maker_count;
    lua_rawseti(L, 2, 3);
    lua_pushlightuserdata(L, schema);
    lua_rawseti(L, 2, 2);
    return 1;
}

/* Pushes the program of the schema at index. */
static void push_program(lua_State *L, int index)
{
    int top = lua_gettop(L);

    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &programs_key);
    lua_pushvalue(L, index);
    if (lua_rawget(L, top + 1) == LUA_TNIL) {
        lua_pushcfunction(L, new_program);
        lua_pushvalue(L, index);
        lua_call(L, 1, 1);
        lua_pushvalue(L, index);
        lua_pushvalue(L, -2);
        lua_rawset(L, top + 1);
    }
    lua_replace(L, top + 1);
    lua_settop(L, top + 1);
}

const struct tt_schema *tt_schema_of(lua_State *L, int index)
{
    push_program(L, index);
    lua_rawgeti(L, -1, 2);
    const struct tt_schema *schema = lua_touserdata(L, -1);
    lua_pop(L, 2);
    return schema; /* the schema keeps its program, and with it the arena */
}

void tt_schema_push_make(lua_State *L, int index, const struct tt_schema *member)
{
    push_program(L, index);
    lua_rawgeti(L, -1, 3);
    lua_rawgeti(L, -1, member->make);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

void tt_schema_setup(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1); /* a schema that is gone needs no program */
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &programs_key);
}
