/* The inside of tide.Raw, for the two files that it is written in: value_raw.c looks into values,
 * value_raw_change.c changes them. */
#pragma once
#include "script/value_raw.h"

/* The user values are the string that the document is (or is a part of), and with pieces the buffer
 * that the others are in. */
struct tt_raw {
    struct tt_str part; /* of the string; not with pieces */
    bool free;          /* its first decoding */
    size_t noted;       /* members of the document, all of them: each is two spans, key and value */
    size_t pieces;      /* spans that the document is made of, one after the other */
    struct tt_str spans[];
};

/* Pushes one without a document, and with room for so many spans. */
struct tt_raw *tt_raw_push_empty(lua_State *L, size_t spans);

/* The value at index, whose document is in one piece from now on; raises when it is no such value.
 */
struct tt_raw *tt_raw_open(lua_State *L, int index);

/* Makes the string on top the whole document of the value at index. */
void tt_raw_set_text(lua_State *L, int index);

/* The document of a value that was opened: all of it. */
static inline struct tt_json_value tt_raw_document(const struct tt_raw *raw)
{
    return tt_json_value_of(raw->part);
}

/* tt_json_next_member for an object of a value's document, which is not read again where its
 * members are noted. */
bool tt_raw_next_member(const struct tt_raw *raw, const struct tt_json_value *object,
                        size_t *cursor, struct tt_str *key, struct tt_json_value *value);

/* Walks all steps of a path but the last one, which it leaves in `path`. */
struct tt_json_value tt_raw_walk(lua_State *L, const struct tt_raw *raw, struct tt_str *path);
struct tt_str tt_raw_check_path(lua_State *L, int index);

/* The methods that change. */
int tt_raw_set(lua_State *L);
int tt_raw_with(lua_State *L);
