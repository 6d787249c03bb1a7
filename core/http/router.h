/* Routes: from method and path pattern to a number. A segment of a pattern is a text, or a
 * parameter as in "/api/files/:file_id"; the last one may be a name behind a star, for one or more
 * segments. Every pattern matches with and without a trailing slash; texts win over parameters, and
 * these over the rest behind a star. Built once per script generation, read-only afterwards. */
#pragma once
#include "base/err.h"
#include "base/str.h"

#define TT_ROUTER_PARAMS_MAX 4 /* the rest is one */

struct tt_router;
struct tt_router *tt_router_new(void);
void tt_router_free(struct tt_router *router);

/* A match returns `value`, which is >= 0. Fails with code "duplicate_route" or "invalid_route" (bad
 * pattern, more than TT_ROUTER_PARAMS_MAX parameters). HEAD is served by GET routes. */
int tt_router_add(struct tt_router *router, struct tt_str method, struct tt_str pattern, int value,
                  struct tt_err *err);

struct tt_router_match {
    int value; /* -1 = no such path; -2 = the path exists with other methods, listed in `allow` */
    struct tt_str name[TT_ROUTER_PARAMS_MAX];  /* slices of the pattern */
    struct tt_str param[TT_ROUTER_PARAMS_MAX]; /* slices of the path, still percent-encoded */
    int param_count;
    char allow[64]; /* "GET, HEAD, POST, OPTIONS" */
};
void tt_router_match(const struct tt_router *router, struct tt_str method, struct tt_str path,
                     struct tt_router_match *match);
