/* The one pass over a document, for the files that read it. All of these functions read what is at
 * the scanner's place and push one thing, what was read; false: it is not JSON. Private to the
 * readers of schemas. */
#pragma once
#include "base/json_scan.h"
#include "script/schema_check.h"
#include "script/value_raw.h"

#define TT_SCHEMA_NOTED_MAX 32 /* members of a whole document; a request has a dozen */

struct tt_schema_reading {
    lua_State *L;
    struct tt_json_scan scan;
    const struct tt_schema_source *source;
    int values;      /* index of the values that the program refers to */
    int memory;      /* index of what holds the problems; nil before the first */
    int text;        /* index of the string that is scanned; 0: it is no string of Lua */
    bool builds;     /* false: values are checked only; true stands for each on the stack */
    bool weighs_all; /* also what is skipped: the whole may be decoded later */
    struct tt_raw_member *noted; /* of a whole document, with room for TT_SCHEMA_NOTED_MAX */
    size_t noted_count;          /* may be more: then it is not noted which */
    size_t key_weight;           /* the scanner's weight before the last key */
    bool too_many;
    const struct tt_schema_name *twice;
};

static inline enum tt_json_type tt_schema_type_at(const struct tt_schema_reading *r)
{
    return tt_json_type_at(r->scan.p, r->scan.end);
}

static inline struct tt_str tt_schema_slice(const struct tt_schema_reading *r, const char *from)
{
    return tt_str_of(from, (size_t)(r->scan.p - from));
}

/* Whether the container that was entered is empty; then it is left. */
static inline bool tt_schema_is_empty(struct tt_json_scan *s, char close)
{
    if (s->p >= s->end || *s->p != close)
        return false;
    s->p++;
    s->depth--;
    return true;
}

/* Whether more was built than may be; then the rest is only scanned. */
static inline bool tt_schema_too_heavy(struct tt_schema_reading *r)
{
    if (!r->source->client || r->scan.weight < TT_VALUE_MUCH)
        return false;
    if (r->builds)
        lua_gc(r->L, LUA_GCSTOP); /* tt_value_call_uncharged */
    r->too_many |= r->scan.weight > r->source->weight_max;
    return r->too_many;
}

bool tt_schema_skip(struct tt_schema_reading *r);
bool tt_schema_read_any(struct tt_schema_reading *r);    /* whatever it is */
bool tt_schema_read_scalar(struct tt_schema_reading *r); /* a number, text, word or null */
bool tt_schema_read_raw(struct tt_schema_reading *r);    /* null, or as it came */

/* By a schema; what does not fit is a problem on the stack. */
bool tt_schema_read_value(struct tt_schema_reading *r, const struct tt_schema *schema);
bool tt_schema_read_map(struct tt_schema_reading *r, const struct tt_schema *schema);
bool tt_schema_read_one_of(struct tt_schema_reading *r, const struct tt_schema *schema);

/* Whether a value of this kind may be of the type. */
bool tt_schema_fits(enum tt_schema_type type, enum tt_json_type found);

/* Pushes a part of the document as it came. */
void tt_schema_push_raw(struct tt_schema_reading *r, struct tt_str json);
