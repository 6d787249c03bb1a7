/* What is checked of a single value, however it came, and what is said of one that does not fit.
 * Private to the readers of schemas. */
#pragma once
#include "base/arena.h"
#include "script/schema.h"

/* What is wrong: at the innermost place a reason, around it the places. */
struct tt_schema_problem {
    const struct tt_schema_problem *inner; /* NULL: `reason` says it */
    const struct tt_schema *schema;        /* the field, or the array that `index` is of */
    size_t index;                          /* from 1; 0 = it is a field */
    struct tt_str key;                     /* of a map's member; data == NULL: it is none */
    const char *reason;                    /* key of lib/texts; NULL: it is missing */
    int64_t limit;
};

/* What a reader has on the stack for a field: a value of Lua, nil (it did not come), null, or one
 * of these light userdata. */
enum tt_schema_mark {
    TT_SCHEMA_VALUE,   /* none of them */
    TT_SCHEMA_EMPTY,   /* an empty text that counts as absent */
    TT_SCHEMA_NOTHING, /* it came, and its value is nil */
    TT_SCHEMA_PROBLEM,
};
void tt_schema_push_mark(lua_State *L, enum tt_schema_mark mark); /* EMPTY or NOTHING */

/* Pushes one for a problem; its memory is at the index `memory`, which is nil before the first. */
void tt_schema_push_problem(lua_State *L, int memory, const struct tt_schema_problem *problem);

/* What is at index; *problem is set with TT_SCHEMA_PROBLEM. */
enum tt_schema_mark tt_schema_mark_at(lua_State *L, int index,
                                      const struct tt_schema_problem **problem);

/* Whether an empty text at this field counts as absent. */
static inline bool tt_schema_skips_empty(const struct tt_schema *field)
{
    return (field->required || field->empty_is_absent) && !field->raw &&
           field->type != TT_SCHEMA_JSON;
}

/* The text at index, which is valid UTF-8; false fills in the reason and limit of *problem. */
bool tt_schema_check_text(lua_State *L, const struct tt_schema *schema, int values, int index,
                          struct tt_schema_problem *problem);

/* Replaces the value on top, of the type that was found, by what the schema of an integer or number
 * makes of it. False as above. */
bool tt_schema_check_number(lua_State *L, const struct tt_schema *schema, int values,
                            struct tt_schema_problem *problem);

/* Replaces the values at `slots` (one for each name of the object's schema) and above by the table
 * of its fields, into which the members of the table at `others` (0: none) come too, or by a
 * problem. Without `builds` there is no table: the value is true. */
void tt_schema_finish_object(lua_State *L, const struct tt_schema *schema, int values, int slots,
                             int others, bool builds, int memory);

/* Appends a place to a path: ".name", or "name" when it is the first; a key is cut. */
void tt_schema_put_name(struct tt_buf *path, struct tt_str name);

/* Pushes nil and the table for scripts. */
void tt_schema_push_refusal(lua_State *L, const struct tt_schema_problem *problem);

/* "must_be_string" and so on. */
const char *tt_schema_must_be(enum tt_schema_type type);
