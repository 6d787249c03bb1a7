/* Schemas of Lua (lua/web/schema.lua says what they may hold) as programs of the core: what a body
 * may carry and what an answer looks like, without a Lua call for each value. A program belongs to
 * one state and is made once for each schema. */
#pragma once
#include "script/value.h"

enum tt_schema_type {
    TT_SCHEMA_ANY, /* of an answer: written as it is */
    TT_SCHEMA_STRING,
    TT_SCHEMA_INTEGER,
    TT_SCHEMA_BOOLEAN,
    TT_SCHEMA_ARRAY,
    TT_SCHEMA_OBJECT,
    TT_SCHEMA_PARTS,
};

struct tt_schema {
    enum tt_schema_type type;
    bool open;          /* of an object: undeclared members are meant to be there */
    struct tt_str name; /* "" = none */
    struct tt_str key;  /* the name as it is written before a member's value */
    const char *string; /* the name as a string of Lua, which the program keeps */
    struct tt_schema *fields;
    size_t field_count;
    struct tt_schema *items; /* of an array */
};

/* The program of the schema at index, which must be a table that lives as long as it is used. Of
 * wrong parts nothing is known: lua/checks/schema_check.lua reports them. Raises when schemas are
 * nested deeper than JSON may be. */
const struct tt_schema *tt_schema_of(lua_State *L, int index);

/* Who hears of members that the schema does not declare: `place` is such as "data[].Title". */
struct tt_schema_listener {
    void (*on_undeclared)(void *arg, struct tt_str place);
    void *arg;
};

/* Encodes the value at index as tt_value_encode does, but objects in the order of the schema;
 * undeclared members follow, sorted. `listener` may be NULL; it may hear of a member more than
 * once.
 */
void tt_schema_write(lua_State *L, const struct tt_schema *schema, int index,
                     const struct tt_schema_listener *listener, struct tt_buf *out);

void tt_schema_setup(lua_State *L);
