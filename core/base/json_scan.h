/* The JSON scanner under tt_json_check, _select and _next: one place that knows the grammar. It
 * walks over text and builds nothing. For readers that go along with it in the one pass, in base
 * and in script. */
#pragma once
#include "base/json.h"

struct tt_json_scan {
    const char *start;
    const char *p;
    const char *end;
    int depth;         /* containers open around p */
    size_t weight;     /* of the values read so far, see tt_json_weigh */
    int max_depth;     /* <= TT_JSON_MAX_DEPTH */
    bool lone_allowed; /* lone surrogate escapes: the grammar allows them; we do so only on request
                        */
    const char *error; /* the mistake at p; NULL = none yet */
};

static inline void tt_json_scan_init(struct tt_json_scan *s, struct tt_str doc, int max_depth)
{
    const char *data = doc.data ? doc.data : "";
    *s = (struct tt_json_scan){.start = data, .p = data, .end = data + doc.len};
    s->max_depth = max_depth < TT_JSON_MAX_DEPTH ? max_depth : TT_JSON_MAX_DEPTH;
}

static inline void tt_json_scan_blank(struct tt_json_scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

/* All of these return true with p behind what was read, or false with `error` set and p at the
 * mistake. */
bool tt_json_scan_value(struct tt_json_scan *s); /* p at or before a value's first byte */
bool tt_json_scan_key(struct tt_json_scan *s, struct tt_str *raw); /* blanks, key, ':', blanks */
bool tt_json_scan_enter(struct tt_json_scan *s); /* p at '{' or '['; p behind it and blanks */
bool tt_json_scan_end(struct tt_json_scan *s);   /* only blanks are left */

/* After a member: true when another follows (p behind the comma); false at `close` (p behind it)
 * or on an error (then s->error is set). */
bool tt_json_scan_more(struct tt_json_scan *s, char close);

/* Fills err ("invalid_json", 400) from s. Returns -1. */
int tt_json_scan_report(const struct tt_json_scan *s, struct tt_err *err);

enum tt_json_type tt_json_type_at(const char *p, const char *end);

/* The end of the run that needs no escape: up to a quote, a backslash, a control byte or invalid
 * UTF-8. It is the inner loop of all code that reads or writes strings. */
const char *tt_json_plain_run(const char *p, const char *end);

/* Four hex digits at p; -1 when there are none. */
int32_t tt_json_hex4(const char *p, const char *end);
