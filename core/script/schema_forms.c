/* Reading values whose form is not fixed: maps, whose names are the client's, and values that may
 * have one of several forms. */
#include "script/schema_reading.h"

/* ---- maps ---- */

/* The map at index, with a key and the problem of its value above: a problem takes its place. */
static void refuse_map(struct tt_schema_reading *r, int map, struct tt_str key,
                       const struct tt_schema_problem *inner)
{
    struct tt_schema_problem problem = {.inner = inner};
    struct tt_buf *plain = tt_value_scratch(r->L);

    tt_json_unescape(key, NULL, plain);
    problem.key = tt_arena_str(lua_touserdata(r->L, r->memory), tt_buf_str(plain));
    lua_settop(r->L, map);
    tt_schema_push_problem(r->L, r->memory, &problem);
    lua_replace(r->L, map);
}

/* A member, whose key was scanned; null is none. *problem is set when the map is refused. */
static bool read_member(struct tt_schema_reading *r, const struct tt_schema *schema, int map,
                        struct tt_str key, const struct tt_schema_problem **problem)
{
    lua_State *L = r->L;

    if (tt_schema_type_at(r) == TT_JSON_NULL)
        return tt_json_scan_value(&r->scan);
    if (r->builds)
        tt_value_push_json_text(L, key);
    if (!tt_schema_read_value(r, schema->items))
        return false;
    enum tt_schema_mark mark = tt_schema_mark_at(L, -1, problem);
    if (*problem)
        refuse_map(r, map, key, *problem);
    else if (r->builds && mark == TT_SCHEMA_VALUE)
        lua_rawset(L, map);
    lua_settop(L, map);
    return true;
}

static bool read_members(struct tt_schema_reading *r, const struct tt_schema *schema, int map,
                         size_t *count)
{
    const struct tt_schema_problem *problem = NULL;
    struct tt_json_scan *s = &r->scan;
    struct tt_str key;

    if (!tt_json_scan_enter(s))
        return false;
    if (tt_schema_is_empty(s, '}'))
        return true;
    do {
        if (!tt_json_scan_key(s, &key))
            return false;
        ++*count;
        bool refused = problem || (schema->has_max && (int64_t)*count > schema->max);
        if (!(refused ? tt_json_scan_value(s) : read_member(r, schema, map, key, &problem)))
            return false;
    } while (tt_json_scan_more(s, '}'));
    return !s->error;
}

bool tt_schema_read_map(struct tt_schema_reading *r, const struct tt_schema *schema)
{
    struct tt_schema_problem problem = {0};
    size_t count = 0;

    luaL_checkstack(r->L, 8, "json");
    if (r->builds)
        lua_newtable(r->L);
    else
        lua_pushboolean(r->L, true);
    int map = lua_gettop(r->L);
    if (!read_members(r, schema, map, &count))
        return false;
    if (schema->has_min && (int64_t)count < schema->min)
        problem = (struct tt_schema_problem){.reason = "too_few", .limit = schema->min};
    else if (schema->has_max && (int64_t)count > schema->max)
        problem = (struct tt_schema_problem){.reason = "too_many", .limit = schema->max};
    if (problem.reason) {
        lua_settop(r->L, map - 1);
        tt_schema_push_problem(r->L, r->memory, &problem);
    }
    return true;
}

/* ---- one of several forms ---- */

/* The first form that takes the value is its form. When there is one form of the value's type, what
 * is wrong is said of it; otherwise only that none fits. */
bool tt_schema_read_one_of(struct tt_schema_reading *r, const struct tt_schema *schema)
{
    const struct tt_schema_problem *told = NULL, *problem;
    const struct tt_schema_reading before = *r;
    enum tt_json_type type = tt_schema_type_at(r);
    int top = lua_gettop(r->L), of_type = 0;

    luaL_checkstack(r->L, 8, "json");
    for (size_t i = 0; i < schema->form_count; i++) {
        const struct tt_schema *form = &schema->forms[i];
        r->scan = before.scan;
        r->noted_count = before.noted_count;
        r->twice = before.twice;
        lua_settop(r->L, top);
        if (!tt_schema_read_value(r, form))
            return false;
        if (tt_schema_mark_at(r->L, -1, &problem) != TT_SCHEMA_PROBLEM)
            return true;
        if (tt_schema_fits(form->type, type)) {
            told = problem;
            of_type++;
        }
    }
    if (schema->form_count == 0 && !tt_schema_skip(r))
        return false;
    lua_settop(r->L, top);
    tt_schema_push_problem(r->L, r->memory,
                           of_type == 1 ? told
                                        : &(struct tt_schema_problem){.reason = "no_form_fits"});
    return true;
}
