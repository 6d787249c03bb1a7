/* Values that no schema describes: built as they are, kept as they came, or skipped. */
#include "script/schema_reading.h"
#include "script/value_raw.h"

bool tt_schema_skip(struct tt_schema_reading *r)
{
    lua_pushboolean(r->L, true);
    return tt_json_scan_value(&r->scan);
}

/* Pushes a value as it came. */
void tt_schema_push_raw(struct tt_schema_reading *r, struct tt_str json)
{
    if (r->text)
        tt_value_raw_push_part(r->L, r->text, json);
    else
        tt_value_raw_push(r->L, json);
    if (r->source->client)
        tt_value_raw_let_free(r->L);
}

bool tt_schema_read_raw(struct tt_schema_reading *r)
{
    const char *from = r->scan.p;
    bool null = tt_schema_type_at(r) == TT_JSON_NULL;

    if (!tt_json_scan_value(&r->scan))
        return false;
    if (!r->builds)
        lua_pushboolean(r->L, true);
    else if (null)
        tt_value_push_null(r->L);
    else
        tt_schema_push_raw(r, tt_schema_slice(r, from));
    return true;
}

static bool read_any_array(struct tt_schema_reading *r)
{
    lua_State *L = r->L;
    struct tt_json_scan *s = &r->scan;
    lua_Integer count = 0;

    lua_newtable(L);
    if (!tt_json_scan_enter(s))
        return false;
    if (tt_schema_is_empty(s, ']')) {
        tt_value_mark_array(L);
        return true;
    }
    do {
        tt_json_scan_blank(s);
        if (!tt_schema_read_any(r))
            return false;
        lua_rawseti(L, -2, ++count);
    } while (tt_json_scan_more(s, ']'));
    return !s->error;
}

static bool read_any_object(struct tt_schema_reading *r)
{
    lua_State *L = r->L;
    struct tt_json_scan *s = &r->scan;
    struct tt_str key;

    lua_newtable(L);
    if (!tt_json_scan_enter(s))
        return false;
    if (tt_schema_is_empty(s, '}'))
        return true;
    do {
        if (!tt_json_scan_key(s, &key))
            return false;
        tt_value_push_json_text(r->L, key);
        if (!tt_schema_read_any(r))
            return false;
        lua_rawset(L, -3);
    } while (tt_json_scan_more(s, '}'));
    return !s->error;
}

/* A number, text, word or null. */
bool tt_schema_read_scalar(struct tt_schema_reading *r)
{
    const char *from = r->scan.p;
    struct tt_json_value value = {.type = tt_schema_type_at(r)};

    if (!tt_json_scan_value(&r->scan))
        return false;
    value.raw = tt_schema_slice(r, from);
    switch (value.type) {
    case TT_JSON_STRING:
        tt_value_push_json_text(r->L, value.raw);
        break;
    case TT_JSON_NUMBER:
        tt_value_push_json_number(r->L, &value);
        break;
    case TT_JSON_NULL:
        tt_value_push_null(r->L);
        break;
    default:
        lua_pushboolean(r->L, value.type == TT_JSON_TRUE);
    }
    return true;
}

bool tt_schema_read_any(struct tt_schema_reading *r)
{
    luaL_checkstack(r->L, 8, "json");
    if (!r->builds || tt_schema_too_heavy(r))
        return tt_schema_skip(r);
    switch (tt_schema_type_at(r)) {
    case TT_JSON_OBJECT:
        return read_any_object(r);
    case TT_JSON_ARRAY:
        return read_any_array(r);
    default:
        return tt_schema_read_scalar(r);
    }
}
