/* Reads JSON by a schema, in one pass: the grammar is checked, values are checked and become values
 * of Lua, all else is skipped. The mistakes of the grammar come first, wherever they are: so a
 * value that does not fit is noted on the stack in its place (schema_check.h), and the pass goes
 * on. */
#include "script/schema_reading.h"
#include "script/task.h"

static void push_problem(struct tt_schema_reading *r, const struct tt_schema_problem *problem)
{
    tt_schema_push_problem(r->L, r->memory, problem);
}

static bool is_problem(const struct tt_schema_reading *r, const struct tt_schema_problem **problem)
{
    return tt_schema_mark_at(r->L, -1, problem) == TT_SCHEMA_PROBLEM;
}

/* ---- lists ---- */

/* A list with the problem of its item on top: the problem takes the list's place. */
static void refuse_list(struct tt_schema_reading *r, const struct tt_schema *schema,
                        const struct tt_schema_problem *inner, size_t index)
{
    lua_pop(r->L, 1);
    push_problem(r, &(struct tt_schema_problem){.inner = inner, .schema = schema, .index = index});
    lua_replace(r->L, -2);
}

/* An item; of parts, which must be objects. */
static bool read_item(struct tt_schema_reading *r, const struct tt_schema *schema)
{
    if (schema->type == TT_SCHEMA_ARRAY)
        return tt_schema_read_value(r, schema->items);
    if (tt_schema_type_at(r) == TT_JSON_OBJECT)
        return tt_schema_read_any(r);
    push_problem(r, &(struct tt_schema_problem){.reason = "must_be_object"});
    return tt_json_scan_value(&r->scan);
}

static bool read_items(struct tt_schema_reading *r, const struct tt_schema *schema, size_t *count)
{
    const struct tt_schema_problem *problem = NULL;
    struct tt_json_scan *s = &r->scan;
    bool bounded = schema->type == TT_SCHEMA_ARRAY;

    if (!tt_json_scan_enter(s))
        return false;
    if (tt_schema_is_empty(s, ']'))
        return true;
    do {
        tt_json_scan_blank(s);
        ++*count;
        if (problem || (bounded && schema->has_max && (int64_t)*count > schema->max)) {
            if (!tt_json_scan_value(s)) /* it is refused anyway */
                return false;
            continue;
        }
        if (!read_item(r, schema))
            return false;
        enum tt_schema_mark mark = tt_schema_mark_at(r->L, -1, &problem);
        if (problem)
            refuse_list(r, schema, problem, *count);
        else if (r->builds && mark == TT_SCHEMA_VALUE)
            lua_rawseti(r->L, -2, (lua_Integer)*count);
        else
            lua_pop(r->L, 1);
    } while (tt_json_scan_more(s, ']'));
    return !s->error;
}

static bool read_array(struct tt_schema_reading *r, const struct tt_schema *schema)
{
    struct tt_schema_problem problem = {0};
    bool bounded = schema->type == TT_SCHEMA_ARRAY; /* parts are not */
    size_t count = 0;

    luaL_checkstack(r->L, 8, "json");
    if (r->builds)
        lua_newtable(r->L);
    else
        lua_pushboolean(r->L, true);
    if (!read_items(r, schema, &count))
        return false;
    if (bounded && schema->has_min && (int64_t)count < schema->min)
        problem = (struct tt_schema_problem){.reason = "too_few", .limit = schema->min};
    else if (bounded && schema->has_max && (int64_t)count > schema->max)
        problem = (struct tt_schema_problem){.reason = "too_many", .limit = schema->max};
    if (problem.reason) {
        lua_pop(r->L, 1);
        push_problem(r, &problem);
    } else if (lua_istable(r->L, -1) && (count == 0 || bounded)) {
        tt_value_mark_array(r->L);
    }
    return true;
}

/* ---- objects ---- */

static const struct tt_schema_name *name_in(const struct tt_schema *schema, struct tt_str key,
                                            size_t first)
{
    for (size_t i = 0; i < schema->name_count; i++) {
        /* Most clients send the fields in one order. */
        size_t at = first + i < schema->name_count ? first + i : first + i - schema->name_count;
        if (tt_str_eq(schema->names[at].name, key))
            return &schema->names[at];
    }
    return NULL;
}

static const struct tt_schema_name *name_of(struct tt_schema_reading *r,
                                            const struct tt_schema *schema, struct tt_str raw,
                                            size_t first)
{
    if (!memchr(raw.data, '\\', raw.len))
        return name_in(schema, tt_str_of(raw.data + 1, raw.len - 2), first);
    struct tt_buf *plain = tt_value_scratch(r->L);
    tt_json_unescape(raw, NULL, plain);
    return name_in(schema, tt_buf_str(plain), first);
}

/* A member that is not declared: kept in the table at `others`, or skipped. */
static bool read_other(struct tt_schema_reading *r, struct tt_str key, int others)
{
    if (others) {
        tt_value_push_json_text(r->L, key);
        if (!tt_schema_read_any(r))
            return false;
        lua_rawset(r->L, others);
        return true;
    }
    if (!tt_json_scan_value(&r->scan))
        return false;
    if (r->builds && !r->weighs_all)
        r->scan.weight = r->key_weight; /* nothing was built */
    return true;
}

static bool read_field(struct tt_schema_reading *r, const struct tt_schema *field)
{
    struct tt_json_scan *s = &r->scan;

    if (tt_schema_type_at(r) == TT_JSON_NULL) {
        tt_value_push_null(r->L);
        return tt_json_scan_value(s);
    }
    if (s->end - s->p >= 2 && s->p[0] == '"' && s->p[1] == '"' && tt_schema_skips_empty(field)) {
        tt_schema_push_mark(r->L, TT_SCHEMA_EMPTY);
        return tt_json_scan_value(s);
    }
    return tt_schema_read_value(r, field);
}

/* The value of the member `key`, into its slot. *hint is the place of the name that may be next. */
static bool read_member(struct tt_schema_reading *r, const struct tt_schema *schema,
                        struct tt_str key, int slots, int others, size_t *hint)
{
    const struct tt_schema_name *name = name_of(r, schema, key, *hint);
    const char *from = r->scan.p;

    if (!name)
        return read_other(r, key, others);
    size_t at = (size_t)(name - schema->names);
    *hint = at + 1;
    if (schema->once && !lua_isnil(r->L, slots + (int)at) && !r->twice)
        r->twice = name;
    if (others && name->alias) {
        if (!read_other(r, key, others))
            return false;
        r->scan.p = from;
    }
    if (!read_field(r, &schema->fields[name->field]))
        return false;
    lua_replace(r->L, slots + (int)at);
    return true;
}

/* Remembers where a member of the whole document is: who looks into it later need not read it. */
static void note_member(struct tt_schema_reading *r, struct tt_str key, const char *value)
{
    if (r->noted_count < TT_SCHEMA_NOTED_MAX)
        r->noted[r->noted_count] = (struct tt_raw_member){key, tt_schema_slice(r, value)};
    r->noted_count++;
}

static bool read_members(struct tt_schema_reading *r, const struct tt_schema *schema, int slots,
                         int others)
{
    struct tt_json_scan *s = &r->scan;
    bool notes = r->noted && s->depth == 0;
    const char *value;
    struct tt_str key;
    size_t hint = 0;

    if (!tt_json_scan_enter(s))
        return false;
    if (tt_schema_is_empty(s, '}'))
        return true;
    do {
        r->key_weight = s->weight;
        if (!tt_json_scan_key(s, &key))
            return false;
        value = s->p;
        if (!read_member(r, schema, key, slots, others, &hint))
            return false;
        if (notes)
            note_member(r, key, value);
    } while (tt_json_scan_more(s, '}'));
    return !s->error;
}

static bool read_object(struct tt_schema_reading *r, const struct tt_schema *schema)
{
    lua_State *L = r->L;
    int others = 0;

    luaL_checkstack(L, (int)schema->name_count + 8, "json");
    if (schema->open && r->builds) {
        lua_newtable(L);
        others = lua_gettop(L);
    }
    int slots = lua_gettop(L) + 1;
    lua_settop(L, slots - 1 + (int)schema->name_count);
    if (!read_members(r, schema, slots, others))
        return false;
    tt_schema_finish_object(L, schema, r->values, slots, others, r->builds, r->memory);
    return true;
}

/* ---- values by their schema ---- */

static bool read_text(struct tt_schema_reading *r, const struct tt_schema *schema)
{
    struct tt_schema_problem problem = {.schema = schema};
    const char *from = r->scan.p;
    bool looks = schema->pattern || schema->choices || schema->has_min || schema->has_max;

    if (!r->builds && !looks)
        return tt_schema_skip(r);
    if (!tt_json_scan_value(&r->scan))
        return false;
    tt_value_push_json_text(r->L, tt_schema_slice(r, from));
    if (!tt_schema_check_text(r->L, schema, r->values, -1, &problem)) {
        lua_pop(r->L, 1);
        push_problem(r, &problem);
    }
    return true;
}

static bool read_number(struct tt_schema_reading *r, const struct tt_schema *schema)
{
    struct tt_schema_problem problem = {.schema = schema};

    if (tt_schema_type_at(r) == TT_JSON_NUMBER) {
        if (!tt_schema_read_scalar(r))
            return false;
    } else if (!tt_schema_skip(r)) {
        return false;
    }
    if (!tt_schema_check_number(r->L, schema, r->values, &problem)) {
        lua_pop(r->L, 1);
        push_problem(r, &problem);
    }
    return true;
}

bool tt_schema_fits(enum tt_schema_type type, enum tt_json_type found)
{
    switch (type) {
    case TT_SCHEMA_STRING:
        return found == TT_JSON_STRING;
    case TT_SCHEMA_BOOLEAN:
        return found == TT_JSON_TRUE || found == TT_JSON_FALSE;
    case TT_SCHEMA_ARRAY:
        return found == TT_JSON_ARRAY;
    case TT_SCHEMA_OBJECT:
    case TT_SCHEMA_MAP:
        return found == TT_JSON_OBJECT;
    case TT_SCHEMA_PARTS:
        return found == TT_JSON_STRING || found == TT_JSON_ARRAY;
    default:
        return true;
    }
}

static bool read_fitting(struct tt_schema_reading *r, const struct tt_schema *schema)
{
    switch (schema->type) {
    case TT_SCHEMA_STRING:
        return read_text(r, schema);
    case TT_SCHEMA_INTEGER:
    case TT_SCHEMA_NUMBER:
        return read_number(r, schema);
    case TT_SCHEMA_ARRAY:
        return read_array(r, schema);
    case TT_SCHEMA_OBJECT:
        return read_object(r, schema);
    case TT_SCHEMA_MAP:
        return tt_schema_read_map(r, schema);
    case TT_SCHEMA_ONE_OF:
        return tt_schema_read_one_of(r, schema);
    case TT_SCHEMA_PARTS:
        return tt_schema_type_at(r) == TT_JSON_ARRAY ? read_array(r, schema)
                                                     : tt_schema_read_any(r);
    case TT_SCHEMA_JSON:
        return tt_schema_read_raw(r);
    default:
        return tt_schema_read_any(r);
    }
}

/* A value that is checked and then stays as it came. */
static bool read_checked_raw(struct tt_schema_reading *r, const struct tt_schema *schema)
{
    const struct tt_schema_problem *problem;
    const char *from = r->scan.p;

    r->builds = false;
    bool valid = read_fitting(r, schema);
    r->builds = true;
    if (!valid || is_problem(r, &problem))
        return valid;
    lua_pop(r->L, 1);
    tt_schema_push_raw(r, tt_schema_slice(r, from));
    return true;
}

bool tt_schema_read_value(struct tt_schema_reading *r, const struct tt_schema *schema)
{
    if (tt_schema_too_heavy(r))
        return tt_schema_skip(r);
    if (!tt_schema_fits(schema->type, tt_schema_type_at(r))) {
        push_problem(r, &(struct tt_schema_problem){.reason = tt_schema_must_be(schema->type)});
        return tt_json_scan_value(&r->scan);
    }
    if (schema->raw && r->builds)
        return read_checked_raw(r, schema);
    return read_fitting(r, schema);
}

/* ---- documents ---- */

/* What was read is on top. */
static enum tt_schema_result finish(struct tt_schema_reading *r, const struct tt_schema *schema,
                                    struct tt_err *err)
{
    const struct tt_schema_problem *problem;
    struct tt_schema_problem twice = {.schema = schema, .reason = "given_twice"};

    if (r->twice) {
        const struct tt_schema field = {.name = r->twice->name};
        tt_schema_push_refusal(r->L,
                               &(struct tt_schema_problem){.inner = &twice, .schema = &field});
        return TT_SCHEMA_REFUSED;
    }
    if (tt_schema_too_heavy(r)) {
        tt_err_set(err, 413, "too_many_values", "too many values in the body");
        return TT_SCHEMA_FAILED;
    }
    if (is_problem(r, &problem)) {
        tt_schema_push_refusal(r->L, problem);
        return TT_SCHEMA_REFUSED;
    }
    return TT_SCHEMA_FINE;
}

/* Pushes the values that the schema at index refers to, a place for the memory of problems, and,
 * when the whole document is wanted, the document. */
static const struct tt_schema *begin(struct tt_schema_reading *r, int index)
{
    static const struct tt_schema any = {.type = TT_SCHEMA_ANY};
    const struct tt_schema *schema = &any;
    struct tt_str json = r->source->json;
    lua_State *L = r->L;

    luaL_checkstack(L, 16, "json");
    if (lua_isnil(L, index))
        lua_pushnil(L);
    else
        schema = tt_schema_push_values(L, index);
    r->values = lua_gettop(L);
    lua_pushnil(L);
    r->memory = r->values + 1;
    if (schema->whole) {
        tt_task_push_taken(L, json);
        r->text = r->memory + 1;
        r->weighs_all = true;
        json.data = lua_tostring(L, r->text);
    }
    tt_json_scan_init(&r->scan, json, r->source->max_depth);
    tt_json_scan_blank(&r->scan);
    return schema;
}

/* Puts the whole document into the table on top. */
static void add_whole(struct tt_schema_reading *r, const struct tt_schema *schema)
{
    size_t len = (size_t)(r->scan.end - r->scan.start);
    size_t noted = r->noted_count <= TT_SCHEMA_NOTED_MAX ? r->noted_count : 0;

    lua_rawgeti(r->L, r->values, schema->whole);
    tt_value_raw_push_noted(r->L, r->text, tt_str_of(r->scan.start, len), r->noted, noted);
    if (r->source->client)
        tt_value_raw_let_free(r->L);
    lua_rawset(r->L, -3);
}

enum tt_schema_result tt_schema_read(lua_State *L, int index, const struct tt_schema_source *source,
                                     struct tt_err *err)
{
    struct tt_schema_reading r = {.L = L, .source = source, .builds = true};
    struct tt_raw_member noted[TT_SCHEMA_NOTED_MAX];
    int top = lua_gettop(L);
    const struct tt_schema *schema = begin(&r, index);

    r.noted = schema->whole ? noted : NULL;
    if (!tt_schema_read_value(&r, schema) || !tt_json_scan_end(&r.scan)) {
        lua_settop(L, top);
        tt_json_scan_report(&r.scan, err);
        return TT_SCHEMA_FAILED;
    }
    enum tt_schema_result result = finish(&r, schema, err);
    if (result == TT_SCHEMA_FINE && schema->whole && lua_istable(L, -1))
        add_whole(&r, schema);
    int pushed = result == TT_SCHEMA_FINE ? 1 : result == TT_SCHEMA_REFUSED ? 2 : 0;
    for (int i = 0; i < pushed; i++)
        lua_copy(L, i - pushed, top + 1 + i);
    lua_settop(L, top + pushed);
    return result;
}
