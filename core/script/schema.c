/* Makes a schema of Lua into a program. Its memory is one arena, which Lua collects. Names are also
 * kept as Lua strings, so that a key is found by its address, and so is all else that is a value of
 * Lua: defaults, patterns. */
#include "script/schema.h"

#include "base/arena.h"

static const char programs_key;

struct compiler {
    struct tt_arena *arena;
    int values; /* index of the table */
    int value_count;
    int slot_count, maker_count;
};

static const struct {
    const char *name;
    enum tt_schema_type type;
} types[] = {
    {"string", TT_SCHEMA_STRING},   {"integer", TT_SCHEMA_INTEGER}, {"number", TT_SCHEMA_NUMBER},
    {"boolean", TT_SCHEMA_BOOLEAN}, {"array", TT_SCHEMA_ARRAY},     {"object", TT_SCHEMA_OBJECT},
    {"map", TT_SCHEMA_MAP},         {"one_of", TT_SCHEMA_ONE_OF},   {"parts", TT_SCHEMA_PARTS},
    {"json", TT_SCHEMA_JSON},
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

/* Keeps the value on top, which it pops; returns its place. */
static int keep(lua_State *L, struct compiler *compiler)
{
    lua_rawseti(L, compiler->values, ++compiler->value_count);
    return compiler->value_count;
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
    schema->name_value = keep(L, compiler);
}

/* ---- what a request's value must be ---- */

static bool read_flag(lua_State *L, int index, const char *name)
{
    lua_pushstring(L, name);
    lua_rawget(L, index);
    bool set = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return set;
}

static bool read_bound(lua_State *L, int index, const char *name, int64_t *bound)
{
    lua_pushstring(L, name);
    lua_rawget(L, index);
    bool set = lua_isinteger(L, -1);
    if (set)
        *bound = lua_tointeger(L, -1);
    lua_pop(L, 1);
    return set;
}

/* A value of any type (LUA_TNONE), or of that one. */
static int read_value(lua_State *L, int index, const char *name, int type,
                      struct compiler *compiler)
{
    lua_pushstring(L, name);
    int found = lua_rawget(L, index);
    if (found != LUA_TNIL && (type == LUA_TNONE || found == type))
        return keep(L, compiler);
    lua_pop(L, 1);
    return 0;
}

/* The texts of a list. */
static struct tt_str *read_texts(lua_State *L, int index, const char *name,
                                 struct compiler *compiler, size_t *count)
{
    struct tt_str *texts = NULL;

    *count = 0;
    lua_pushstring(L, name);
    if (lua_rawget(L, index) == LUA_TTABLE) {
        size_t most = lua_rawlen(L, -1);
        texts = tt_arena_alloc(compiler->arena, (most + 1) * sizeof(*texts));
        for (size_t i = 1; i <= most; i++) {
            struct tt_str text;
            if (lua_rawgeti(L, -1, (lua_Integer)i) == LUA_TSTRING) {
                text.data = lua_tolstring(L, -1, &text.len);
                texts[(*count)++] = tt_arena_str(compiler->arena, text);
            }
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
    return texts;
}

static void read_rules(lua_State *L, int index, struct compiler *compiler, struct tt_schema *schema)
{
    schema->open = read_flag(L, index, "open");
    schema->required = read_flag(L, index, "required");
    schema->empty_is_absent = read_flag(L, index, "empty_is_absent");
    schema->keep_null = read_flag(L, index, "keep_null");
    schema->clamp = read_flag(L, index, "clamp");
    schema->raw = read_flag(L, index, "raw");
    schema->once = read_flag(L, index, "once");
    schema->has_min = read_bound(L, index, "min", &schema->min);
    schema->has_max = read_bound(L, index, "max", &schema->max);
    schema->whole = read_value(L, index, "whole", LUA_TSTRING, compiler);
    schema->fallback = read_value(L, index, "default", LUA_TNONE, compiler);
    schema->pattern = read_value(L, index, "pattern", LUA_TSTRING, compiler);
    schema->check = read_value(L, index, "check", LUA_TFUNCTION, compiler);
    schema->has_checks = schema->check != 0;
    schema->choices = read_texts(L, index, "enum", compiler, &schema->choice_count);
    if (schema->pattern) {
        lua_rawgeti(L, compiler->values, schema->pattern);
        schema->line = strcmp(lua_tostring(L, -1), "^[^%c]*$") == 0;
        lua_pop(L, 1);
    }
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
    lua_pop(L, 1);
    schema->make = read_value(L, index, "make", LUA_TFUNCTION, compiler);
    compiler->maker_count += schema->make != 0;
}

/* All names of an object's fields, its fields' aliases behind them. */
static void compile_names(struct compiler *compiler, struct tt_schema *schema,
                          struct tt_str *const *aliases, const size_t *alias_count)
{
    size_t count = schema->field_count;

    for (size_t i = 0; i < schema->field_count; i++)
        count += alias_count[i];
    schema->names = tt_arena_alloc(compiler->arena, (count + 1) * sizeof(*schema->names));
    for (size_t i = 0; i < schema->field_count; i++) {
        schema->fields[i].first_name = schema->name_count;
        schema->names[schema->name_count++] =
            (struct tt_schema_name){schema->fields[i].name, i, false};
        for (size_t k = 0; k < alias_count[i]; k++)
            schema->names[schema->name_count++] = (struct tt_schema_name){aliases[i][k], i, true};
    }
}

/* ---- the tree ---- */

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
    struct tt_str **aliases = tt_arena_alloc(compiler->arena, (count + 1) * sizeof(*aliases));
    size_t *alias_count = tt_arena_alloc(compiler->arena, (count + 1) * sizeof(*alias_count));
    for (size_t i = 1; i <= count; i++) {
        struct tt_schema *field = &schema->fields[schema->field_count];
        *field = (struct tt_schema){0};
        if (lua_rawgeti(L, fields, (lua_Integer)i) == LUA_TTABLE) {
            compile(L, fields + 1, depth + 1, compiler, field);
            aliases[schema->field_count] =
                read_texts(L, fields + 1, "aliases", compiler, &alias_count[schema->field_count]);
            schema->has_checks |= field->has_checks;
        }
        schema->field_count += is_new(schema);
        lua_pop(L, 1);
    }
    compile_names(compiler, schema, aliases, alias_count);
    lua_pop(L, 1);
}

static void compile_items(lua_State *L, int index, int depth, struct compiler *compiler,
                          struct tt_schema *schema)
{
    schema->items = tt_arena_alloc(compiler->arena, sizeof(*schema->items));
    lua_pushliteral(L, "items");
    if (lua_rawget(L, index) == LUA_TTABLE)
        compile(L, lua_gettop(L), depth + 1, compiler, schema->items);
    schema->has_checks |= schema->items->has_checks;
    lua_pop(L, 1);
}

/* Of a value that may have several forms it is not known afterwards which one it has: their own
 * checks are not run. */
static void compile_forms(lua_State *L, int index, int depth, struct compiler *compiler,
                          struct tt_schema *schema)
{
    lua_pushliteral(L, "one_of");
    if (lua_rawget(L, index) == LUA_TTABLE) {
        int forms = lua_gettop(L);
        size_t count = lua_rawlen(L, forms);
        schema->forms = tt_arena_alloc(compiler->arena, (count + 1) * sizeof(*schema->forms));
        for (size_t i = 1; i <= count; i++) {
            if (lua_rawgeti(L, forms, (lua_Integer)i) == LUA_TTABLE)
                compile(L, forms + 1, depth + 1, compiler, &schema->forms[schema->form_count++]);
            lua_pop(L, 1);
        }
    }
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
    read_rules(L, index, compiler, schema);
    read_source(L, index, compiler, schema);
    if (schema->type == TT_SCHEMA_OBJECT)
        compile_fields(L, index, depth, compiler, schema);
    else if (schema->type == TT_SCHEMA_ONE_OF)
        compile_forms(L, index, depth, compiler, schema);
    else if (schema->type == TT_SCHEMA_ARRAY || schema->type == TT_SCHEMA_MAP)
        compile_items(L, index, depth, compiler, schema);
}

/* 1 = the schema. Returns {arena, program, values}. */
static int new_program(lua_State *L)
{
    struct compiler compiler = {0};

    lua_createtable(L, 3, 0);
    compiler.arena = tt_value_push_arena(L);
    lua_rawseti(L, 2, 1);
    lua_newtable(L);
    compiler.values = 3;
    struct tt_schema *schema = tt_arena_alloc(compiler.arena, sizeof(*schema));
    compile(L, 1, 0, &compiler, schema);
    schema->slot_count = compiler.slot_count;
    schema->maker_count = compiler.maker_count;
    lua_rawseti(L, 2, 3);
    lua_pushlightuserdata(L, schema);
    lua_rawseti(L, 2, 2);
    return 1;
}

const struct tt_schema *tt_schema_push_values(lua_State *L, int index)
{
    int programs = lua_gettop(L) + 1;

    index = lua_absindex(L, index);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &programs_key);
    lua_pushvalue(L, index);
    if (lua_rawget(L, programs) == LUA_TNIL) {
        lua_pushcfunction(L, new_program);
        lua_pushvalue(L, index);
        lua_call(L, 1, 1);
        lua_pushvalue(L, index);
        lua_pushvalue(L, -2);
        lua_rawset(L, programs);
    }
    lua_rawgeti(L, -1, 2);
    const struct tt_schema *schema = lua_touserdata(L, -1);
    lua_pop(L, 1);
    lua_rawgeti(L, -1, 3);
    lua_replace(L, programs);
    lua_settop(L, programs);
    return schema; /* the schema keeps its program, and with it the arena */
}

const struct tt_schema *tt_schema_of(lua_State *L, int index)
{
    const struct tt_schema *schema = tt_schema_push_values(L, index);

    lua_pop(L, 1);
    return schema;
}

void tt_schema_push_make(lua_State *L, int index, const struct tt_schema *member)
{
    tt_schema_push_values(L, index);
    lua_rawgeti(L, -1, member->make);
    lua_remove(L, -2);
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
