/*
 * A scenario is what the first path segment asks for: "tokens=64,pace=50,fault=hang_mid,at=3".
 * It is parsed for each request and kept nowhere, so any number of tests can share one upstream
 * without knowing of each other, and an API configuration's base_url alone selects the behaviour.
 */
#ifndef MOCK_SCENARIO_H
#define MOCK_SCENARIO_H

#include "buf.h"

enum echo_kind {
    ECHO_NONE,
    ECHO_USER,
    ECHO_MODEL,
    ECHO_SYSTEM,
    ECHO_ROLES,
    ECHO_BODY,
    ECHO_COUNT,
    ECHO_KEY,
};

enum fault_kind {
    FAULT_NONE,
    FAULT_REFUSE,
    FAULT_RESET,
    FAULT_RESET_HEADERS,
    FAULT_RESET_MID,
    FAULT_HANG,
    FAULT_HANG_HEADERS,
    FAULT_HANG_MID,
    FAULT_CLOSE_MID,
    FAULT_GARBAGE,
    FAULT_HTML,
    FAULT_BADJSON,
    FAULT_WRONGJSON,
    FAULT_BIGLINE,
    FAULT_ENDLESS,
    FAULT_ERROR_MID,
    FAULT_WRONGTYPE,
    FAULT_GZIPBOMB,
    FAULT_EMPTY,
};

enum tools_kind {
    TOOLS_NEVER,
    TOOLS_ALWAYS,
    TOOLS_ASKED, /* when the request has tools */
};

/* Numbers that may be absent are -1 then. Times are milliseconds, splitpace is microseconds. */
struct scenario {
    double tokens, size, reasoning, interleave, pace, first, split, splitpace;
    double status, retry_after, at, bytes, fails;
    int echo, fault, finish, eol;
    int usage, done, comments, tools, surrogates, ascii, stamp, chunked;
    bool has_text;
    struct buf text;
};

extern const char *const scenario_finish_names[];

/* Fills sc from the segment. Fails with -1 and a sentence in err; free with scenario_free always.
 */
int scenario_parse(struct scenario *sc, struct slice segment, char *err, size_t errlen);
void scenario_free(struct scenario *sc);

#endif
