/* Typed settings from four places: default < file < environment < flag. A setting is one row of a
 * table (see app/settings/settings.c). Values remember where they came from, and every diagnostic
 * names that place. Nothing here knows what the settings mean. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

enum tt_conf_type {
    TT_CONF_STRING,
    TT_CONF_INT,      /* min..max */
    TT_CONF_BOOL,     /* true false yes no on off 1 0 */
    TT_CONF_DURATION, /* ms; "250ms", "30s", "5m", "24h"; a bare number is seconds */
    TT_CONF_SIZE,     /* bytes; "64KiB", "10MiB", "1GiB", bare bytes */
    TT_CONF_ENUM,     /* choices: "a|b|c" */
    TT_CONF_LIST      /* YAML list, or comma-separated text */
};

struct tt_conf_option {
    const char *key; /* dotted path in the file; the flag is --key with '.' and '_' as '-' */
    const char *env;
    enum tt_conf_type type;
    const char *fallback; /* default as text */
    const char *choices;  /* TT_CONF_ENUM */
    int64_t min, max;     /* INT, DURATION, SIZE; both 0 = any non-negative */
    bool secret;          /* masked when shown (also credentials inside a URL) */
    const char *help;     /* one line */
    int (*check)(struct tt_str value, struct tt_err *err); /* optional, for each list item too */
};

struct tt_conf_value {
    struct tt_str text;   /* as written, NUL-terminated */
    int64_t integer;      /* INT, BOOL, DURATION (ms), SIZE (bytes) */
    struct tt_str *items; /* LIST */
    size_t item_count;
    char origin[160]; /* "default", "tidetalk.yaml:3", "TIDETALK_LISTEN", "--listen" */
};

struct tt_conf;

/* Owns: the caller, tt_conf_free. `options` must outlive it. */
struct tt_conf *tt_conf_new(const struct tt_conf_option *options, size_t count);
void tt_conf_free(struct tt_conf *conf);

/* A key at the top of the file that somebody else reads. `key` must outlive conf. */
void tt_conf_leave_out(struct tt_conf *conf, const char *key);

/* Each reads one place; call them in order of rising precedence. -1 with code "invalid_setting" and
 * "<origin>: <key>: what is wrong, what is allowed". An unknown key in the file is an error with
 * its line and the nearest known key. A flag takes its value from "--key=value" or the next word;
 * *rest gets the words that are not flags (argc_rest of them, in order). */
int tt_conf_read_file(struct tt_conf *conf, const char *path, bool must_exist, struct tt_err *err);
int tt_conf_read_env(struct tt_conf *conf, struct tt_err *err);
int tt_conf_read_flags(struct tt_conf *conf, int argc, char **argv, int *argc_rest, char **rest,
                       struct tt_err *err);

/* From now on mistakes are added to `diagnostics`, one line "<origin>: …" each, and reading
 * continues; the readers then fail only for mistakes that stop them. NULL ends it. */
struct tt_buf;
void tt_conf_collect(struct tt_conf *conf, struct tt_buf *diagnostics);

/* The value, or NULL when there is no such setting; *option (may be NULL) is its row. Thread: any,
 * once all is read. */
const struct tt_conf_value *tt_conf_find(const struct tt_conf *conf, const char *key,
                                         const struct tt_conf_option **option);
/* The value in effect. An unknown key is a programming error: aborts. */
const struct tt_conf_value *tt_conf_get(const struct tt_conf *conf, const char *key);

/* Appends "key = value  # origin" for all options, secrets masked. */
void tt_conf_show(const struct tt_conf *conf, struct tt_buf *out);

/* Appends the options as help text: flag, variable, default, help line. */
void tt_conf_help(const struct tt_conf_option *options, size_t count, struct tt_buf *out);
