/* The mistakes in a set of scripts: a list, since all diagnostics of a phase are reported at once
 * and not only the first. Each has its place, so that an editor can go there. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

struct tt_diagnostic {
    const char *phase;  /* a constant: "read", "compile", "load", "routes", … */
    struct tt_str file; /* relative to lua/; "" when it is not about a file */
    int line;           /* 0 when file is "" */
    struct tt_str message;
    struct tt_str traceback; /* "" when no code ran */
};

struct tt_diagnostics {
    struct tt_arena arena;
    struct tt_diagnostic *items;
    size_t count, capacity;
    const char *phase; /* of what is added */
};

/* Adds "file:line: message", followed by a traceback if there is one; duplicates are left out. A
 * text without a place gets `file`, line 1. Everything is copied. */
void tt_diagnostics_add(struct tt_diagnostics *diagnostics, const char *file, struct tt_str text);

/* Appends them, one per line, "file:line: message", tracebacks below. */
void tt_diagnostics_print(const struct tt_diagnostics *diagnostics, struct tt_buf *out);

void tt_diagnostics_free(struct tt_diagnostics *diagnostics);
