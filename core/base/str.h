/* A borrowed slice of bytes: pointer and length, not NUL-terminated. It is the common type between
 * layers: parsers return slices of their input, and only code that must store bytes copies them. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct tt_str {
    const char *data;
    size_t len;
};

#define TT_STR(literal) ((struct tt_str){(literal), sizeof(literal) - 1})
#define TT_STR_ARG(s)   (int)(s).len, (s).data /* for "%.*s" */

static inline struct tt_str tt_str_from(const char *z)
{
    return (struct tt_str){z, z ? strlen(z) : 0};
}

static inline struct tt_str tt_str_of(const char *data, size_t len)
{
    return (struct tt_str){data, len};
}

static inline bool tt_str_eq(struct tt_str a, struct tt_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Compares with ASCII letters folded (HTTP names and tokens are ASCII, RFC 9110 5.1). */
bool tt_str_eq_nocase(struct tt_str a, struct tt_str b);
bool tt_str_starts(struct tt_str s, struct tt_str prefix);
bool tt_str_starts_nocase(struct tt_str s, struct tt_str prefix);
bool tt_str_ends(struct tt_str s, struct tt_str suffix);

/* The slice without blanks (space, tab, CR, LF) at both ends. */
struct tt_str tt_str_trim(struct tt_str s);

/* Cuts the part before `sep` off `*rest` into `*part`. False when `*rest` is used up. A trailing
 * separator yields one last empty part. Start with rest.data != NULL. */
bool tt_str_split(struct tt_str *rest, char sep, struct tt_str *part);

/* The whole slice as a decimal number. Fails (-1) on anything else: sign, blanks, overflow. */
int tt_str_to_u64(struct tt_str s, uint64_t *out);
int tt_str_to_i64(struct tt_str s, int64_t *out); /* one leading '-' allowed */

/* The ending of a regular plural, in messages for people: "1 error", "2 errors". */
static inline const char *tt_plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

/* Position of `byte`, or -1. */
ptrdiff_t tt_str_find(struct tt_str s, char byte);
