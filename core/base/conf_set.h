/* Between conf.c (the table) and conf_source.c (file, environment, flags). Private to base. */
#pragma once
#include "base/conf.h"
#include "base/map.h"

struct tt_conf {
    const struct tt_conf_option *options;
    struct tt_conf_value *values; /* one per option */
    size_t count;
    struct tt_map *by_key; /* of `values` */
    struct tt_arena arena;
    const char *left_out;       /* see tt_conf_leave_out; NULL = nothing */
    struct tt_buf *diagnostics; /* see tt_conf_collect */
};

/* After a failure: true when it was noted and reading continues. */
bool tt_conf_noted(struct tt_conf *conf, struct tt_err *err);

/* Gives option `index` a new value, or leaves the old one and fills err. `items` is given for a
 * YAML list (text is made from it), NULL otherwise. Everything is copied. */
int tt_conf_set(struct tt_conf *conf, size_t index, struct tt_str text, const struct tt_str *items,
                size_t item_count, const char *origin, struct tt_err *err);

/* "<origin>: <key>: …" with code "invalid_setting". Returns -1. */
int tt_conf_refuse(struct tt_err *err, const char *origin, struct tt_str key, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));

/* Converts text to the option's type, into value->integer or ->items; -1 with the mistake in `why`.
 */
int tt_conf_parse(struct tt_arena *arena, const struct tt_conf_option *option,
                  struct tt_conf_value *value, char *why, size_t why_size);
int tt_conf_parse_bool(struct tt_str text, int64_t *out);
