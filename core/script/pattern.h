/* Lua's patterns, matched so that the watchdog can stop them: a pattern may take exponential time,
 * and Lua's own functions notice no signal while they match. Same language, same errors. */
#pragma once
#include <lua.h>
#include <stddef.h>

#define TT_PATTERN_CAPTURES 32

struct tt_pattern {
    lua_State *L; /* where errors are raised */
    const char *subject, *subject_end;
    const char *end; /* of the pattern */
    int level;       /* captures, finished or not */
    int depth;       /* recursion that is left */
    unsigned steps;
    struct {
        const char *from;
        ptrdiff_t len; /* or one of the two below */
    } captures[TT_PATTERN_CAPTURES];
};
#define TT_CAPTURE_UNFINISHED (-1)
#define TT_CAPTURE_POSITION   (-2)

/* The end of the text that begins at `from` and matches the pattern (without a leading ^), or NULL.
 * Both strings must be followed by a NUL. Fails: raises, also when the script is being stopped. */
const char *tt_pattern_match(struct tt_pattern *ms, const char *from, const char *pattern);
