/* Schemas of Lua (lua/types/schema.lua says what they may hold) as programs of the core: what a
 * request may carry and what an answer looks like, without a Lua call for each value. A program
 * belongs to one state and is made once for each schema. */
#pragma once
#include "script/value.h"

enum tt_schema_type {
    TT_SCHEMA_ANY, /* written as it is, read as whatever it is */
    TT_SCHEMA_STRING,
    TT_SCHEMA_INTEGER,
    TT_SCHEMA_NUMBER,
    TT_SCHEMA_BOOLEAN,
    TT_SCHEMA_ARRAY,
    TT_SCHEMA_OBJECT,
    TT_SCHEMA_MAP,    /* an object whose members all have one schema */
    TT_SCHEMA_ONE_OF, /* what the first of several schemas takes */
    TT_SCHEMA_PARTS,
    TT_SCHEMA_JSON, /* not looked into */
};

/* A name under which a field may come: its own, or an alias. */
struct tt_schema_name {
    struct tt_str name;
    size_t field;
    bool alias;
};

#define TT_SCHEMA_SLOTS_MAX 512

struct tt_schema {
    enum tt_schema_type type;
    bool open;          /* of an object: undeclared members are meant to be there */
    struct tt_str name; /* "" = none */
    struct tt_str key;  /* the name as it is written before a member's value */
    const char *string; /* the name as a string of Lua, which the program keeps */
    struct tt_schema *fields;
    size_t field_count;
    struct tt_schema *items; /* of an array or a map */
    struct tt_schema *forms; /* of one_of */
    size_t form_count;

    /* What a request's value must be. Numbers of values are places in the table that
     * tt_schema_push_values pushes; 0 = none. */
    bool required, empty_is_absent, keep_null, clamp, raw, once;
    bool has_min, has_max;
    bool line; /* its pattern is that of a text of one line */
    int64_t min, max;
    struct tt_str *choices; /* of `enum` */
    size_t choice_count;
    int name_value, pattern, fallback, whole;
    int check;                    /* a function of its own */
    bool has_checks;              /* it, or something below it, has one */
    struct tt_schema_name *names; /* of an object: those of a field stand together */
    size_t name_count;
    size_t first_name; /* of a field, among its object's */

    /* Of a member that is made of a database row (keep_null: NULL is written as null, instead of
     * leaving the member out): */
    struct tt_str column; /* that has its value; the name unless declared */
    int make;             /* the function that makes the value; 0 = none */
    int slot;             /* its number among all members of the program, below
                           * TT_SCHEMA_SLOTS_MAX */
    int slot_count;       /* of the whole, in the program itself only: members */
    int maker_count;      /* functions */
};

/* The program of the schema at index, which must be a table that lives as long as it is used. Of
 * wrong parts nothing is known: lua/checks/schema_check.lua reports them. Raises when schemas are
 * nested deeper than JSON may be. */
const struct tt_schema *tt_schema_of(lua_State *L, int index);

/* The same; pushes the values that the program refers to. */
const struct tt_schema *tt_schema_push_values(lua_State *L, int index);

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

/* Writes the value at index by the schema into a document that has been begun. Raises as
 * tt_value_encode. */
void tt_schema_put(lua_State *L, const struct tt_schema *schema, int index,
                   struct tt_json_writer *w);

/* Writes all rows as a list of objects of the schema at index, which is an object's: each member
 * from its column. Members that the table at `changes` (0: none) has for a row, by its column `id`,
 * come from there. Returns TT_DB_END, TT_DB_AGAIN, or TT_DB_FAILED with `err`: also when they are
 * more than `out` may hold ("too_many_rows"). May raise, as tt_value_encode and what a `make`
 * does. */
int tt_schema_write_rows(lua_State *L, int index, int changes, struct tt_db_rows *rows,
                         struct tt_buf *out, struct tt_err *err);
/* The function that makes the values of a member (`make`), of the schema at index: pushes it. */
void tt_schema_push_make(lua_State *L, int index, const struct tt_schema *member);

/* What tt_schema_read reads. */
struct tt_schema_source {
    struct tt_str json;
    int max_depth;
    bool client;       /* it is a client's: the caller is tt_value_call_uncharged */
    size_t weight_max; /* with `client`: of the values that are built (tt_json_weigh) */
};

enum tt_schema_result {
    TT_SCHEMA_FINE,    /* pushed what was read: a table of the declared fields */
    TT_SCHEMA_REFUSED, /* it does not fit the schema: pushed nil and what is wrong, a table
                        * {code, field, reason, limit, choices} */
    TT_SCHEMA_FAILED,  /* pushed nothing; err is "invalid_json" or "too_many_values" */
};

/* Reads a document by the schema at index (nil: all of it, whatever it is) in one strict pass.
 * What the schema does not declare is skipped. May raise out of memory. */
enum tt_schema_result tt_schema_read(lua_State *L, int index, const struct tt_schema_source *source,
                                     struct tt_err *err);

/* Checks the texts in the table at `values` (of an address, or a form) by the schema at index. The
 * table at `lists` (0: none) has all texts of the names that came more than once. */
enum tt_schema_result tt_schema_read_texts(lua_State *L, int index, int values, int lists);

/* Calls the functions `check` of the schema at index with the values in what was read, on top of
 * the stack: it stays there, or nil and what is wrong take its place (REFUSED). Apart from the
 * reading, whose time is not the script's. Raises what they raise. */
enum tt_schema_result tt_schema_run_checks(lua_State *L, int index);

void tt_schema_setup(lua_State *L);
