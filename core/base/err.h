/* An error, in one value that every layer fills in the same way. `code` is stable and is what
 * clients see. The texts for clients are looked up by code in lua/lib/errors_of/, so `message` is
 * for logs and operators only and may name files, lines and systems. */
#pragma once

struct tt_err {
    int status;        /* the HTTP status that fits; 0 = no error set */
    char code[40];     /* stable snake_case, e.g. "upstream_timeout" */
    char message[480]; /* English, for logs and operators */
};

/* Fills `err` (NULL is allowed and ignored). Always returns -1, so that `return tt_err_set(…)`
 * ends a failing function. Thread: any. */
int tt_err_set(struct tt_err *err, int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts text in front of an error's message: who was doing it. Always returns -1. Thread: any. */
int tt_err_wrap(struct tt_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
