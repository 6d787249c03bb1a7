/* The table of settings and the values in effect. Every value is parsed and checked the moment it
 * arrives, wherever it comes from, so that a diagnostic can name the place; a refused value leaves
 * the previous one. conf_source.c reads the places. */
#include "base/conf.h"

#include "base/buf.h"
#include "base/conf_set.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int tt_conf_refuse(struct tt_err *err, const char *origin, struct tt_str key, const char *format,
                   ...)
{
    char what[320];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    return tt_err_set(err, 400, "invalid_setting", "%s: %.*s: %s", origin,
                      key.len > 100 ? 100 : (int)key.len, key.data, what);
}

void tt_conf_collect(struct tt_conf *conf, struct tt_buf *diagnostics)
{
    conf->diagnostics = diagnostics;
}

void tt_conf_leave_out(struct tt_conf *conf, const char *key)
{
    conf->left_out = key;
}

bool tt_conf_noted(struct tt_conf *conf, struct tt_err *err)
{
    if (!conf->diagnostics)
        return false;
    tt_buf_printf(conf->diagnostics, "%s\n", err->message);
    *err = (struct tt_err){0};
    return true;
}

static struct tt_str join_items(struct tt_arena *arena, const struct tt_str *items, size_t count)
{
    struct tt_buf text = {0};
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            tt_buf_append_z(&text, ", ");
        tt_buf_append_str(&text, items[i]);
    }
    struct tt_str joined = tt_arena_str(arena, tt_buf_str(&text));
    tt_buf_free(&text);
    return joined;
}

static int run_check(const struct tt_conf_option *option, const struct tt_conf_value *value,
                     struct tt_err *err)
{
    if (!option->check)
        return 0;
    if (option->type != TT_CONF_LIST)
        return option->check(value->text, err);
    for (size_t i = 0; i < value->item_count; i++)
        if (option->check(value->items[i], err) < 0)
            return -1;
    return 0;
}

static void set_origin(struct tt_conf_value *value, const char *origin)
{
    /* A long path keeps its end, where the file's name and the line are. */
    size_t len = strlen(origin), max = sizeof(value->origin) - 1;
    snprintf(value->origin, sizeof(value->origin), "%s", len > max ? origin + (len - max) : origin);
}

int tt_conf_set(struct tt_conf *conf, size_t index, struct tt_str text, const struct tt_str *items,
                size_t item_count, const char *origin, struct tt_err *err)
{
    const struct tt_conf_option *option = &conf->options[index];
    struct tt_conf_value value = {0};
    struct tt_err problem = {0};
    char why[280];
    if (items) {
        value.text = join_items(&conf->arena, items, item_count);
        value.items = tt_arena_alloc(&conf->arena, (item_count + 1) * sizeof(*items));
        value.item_count = item_count;
        for (size_t i = 0; i < item_count; i++)
            value.items[i] = tt_arena_str(&conf->arena, items[i]);
    } else {
        value.text = tt_arena_str(&conf->arena, text);
    }
    if (tt_conf_parse(&conf->arena, option, &value, why, sizeof(why)) < 0)
        return tt_conf_refuse(err, origin, tt_str_from(option->key), "%s", why);
    if (run_check(option, &value, &problem) < 0) {
        /* A check may quote the value. */
        if (option->secret && value.text.len > 0 && strstr(problem.message, value.text.data))
            return tt_conf_refuse(err, origin, tt_str_from(option->key), "the value is not valid");
        return tt_conf_refuse(err, origin, tt_str_from(option->key), "%.300s", problem.message);
    }
    set_origin(&value, origin);
    conf->values[index] = value;
    return 0;
}

/* Defaults are code: not checked (a check may look at the machine), but they must parse. */
static void set_default(struct tt_conf *conf, size_t index)
{
    const struct tt_conf_option *option = &conf->options[index];
    struct tt_conf_value *value = &conf->values[index];
    char why[280];
    value->text = tt_str_from(option->fallback ? option->fallback : "");
    set_origin(value, "default");
    if (value->text.len == 0 && option->type != TT_CONF_LIST)
        return;
    if (tt_conf_parse(&conf->arena, option, value, why, sizeof(why)) < 0) {
        fprintf(stderr, "tidetalk: default of setting %s: %s\n", option->key, why);
        abort();
    }
}

struct tt_conf *tt_conf_new(const struct tt_conf_option *options, size_t count)
{
    struct tt_conf *conf = TT_NEW(struct tt_conf);
    conf->options = options;
    conf->count = count;
    conf->values = tt_alloc(count * sizeof(*conf->values));
    conf->by_key = tt_map_new();
    for (size_t i = 0; i < count; i++) {
        set_default(conf, i);
        tt_map_put(conf->by_key, tt_str_from(options[i].key), &conf->values[i]);
    }
    return conf;
}

void tt_conf_free(struct tt_conf *conf)
{
    if (!conf)
        return;
    tt_arena_destroy(&conf->arena);
    tt_map_free(conf->by_key);
    free(conf->values);
    free(conf);
}

const struct tt_conf_value *tt_conf_find(const struct tt_conf *conf, const char *key,
                                         const struct tt_conf_option **option)
{
    const struct tt_conf_value *value = tt_map_get(conf->by_key, tt_str_from(key));

    if (value && option)
        *option = &conf->options[value - conf->values];
    return value;
}

const struct tt_conf_value *tt_conf_get(const struct tt_conf *conf, const char *key)
{
    const struct tt_conf_value *value = tt_conf_find(conf, key, NULL);

    if (value)
        return value;
    fprintf(stderr, "tidetalk: no setting named %s\n", key);
    abort();
}

/* Secrets as "****"; of a URL, secret or not, only who and with which password. */
static void show_value(struct tt_buf *out, struct tt_str text, bool secret)
{
    const char *scheme = text.len > 0 ? memmem(text.data, text.len, "://", 3) : NULL;
    const char *end = text.data + text.len;
    const char *host = scheme ? scheme + 3 : NULL;
    const char *path = host ? memchr(host, '/', (size_t)(end - host)) : NULL;
    const char *at = host ? memrchr(host, '@', (size_t)((path ? path : end) - host)) : NULL;
    if (at) {
        tt_buf_append(out, text.data, (size_t)(host - text.data));
        tt_buf_append_z(out, "****");
        tt_buf_append(out, at, (size_t)(end - at));
    } else if (secret && text.len > 0) {
        tt_buf_append_z(out, "****");
    } else {
        tt_buf_append_str(out, text);
    }
}

void tt_conf_show(const struct tt_conf *conf, struct tt_buf *out)
{
    for (size_t i = 0; i < conf->count; i++) {
        const struct tt_conf_value *value = &conf->values[i];
        bool list = conf->options[i].type == TT_CONF_LIST;
        tt_buf_printf(out, "%s = ", conf->options[i].key);
        if (!list)
            show_value(out, value->text, conf->options[i].secret);
        for (size_t j = 0; list && j < value->item_count; j++) {
            if (j > 0)
                tt_buf_append_z(out, ", ");
            show_value(out, value->items[j], conf->options[i].secret);
        }
        tt_buf_printf(out, "  # %s\n", value->origin);
    }
}

static void put_flag_name(struct tt_buf *out, const char *key)
{
    tt_buf_append_z(out, "--");
    for (; *key; key++)
        tt_buf_putc(out, *key == '.' || *key == '_' ? '-' : *key);
}

void tt_conf_help(const struct tt_conf_option *options, size_t count, struct tt_buf *out)
{
    static const char *const kinds[] = {
        [TT_CONF_STRING] = "TEXT",   [TT_CONF_INT] = "NUMBER", [TT_CONF_BOOL] = "BOOL",
        [TT_CONF_DURATION] = "TIME", [TT_CONF_SIZE] = "SIZE",  [TT_CONF_ENUM] = "",
        [TT_CONF_LIST] = "LIST",
    };
    for (size_t i = 0; i < count; i++) {
        const struct tt_conf_option *option = &options[i];
        tt_buf_append_z(out, "  ");
        put_flag_name(out, option->key);
        tt_buf_printf(out, " %s\n      %s\n      ",
                      option->type == TT_CONF_ENUM ? option->choices : kinds[option->type],
                      option->help ? option->help : "");
        if (option->env)
            tt_buf_printf(out, "[%s] ", option->env);
        if (option->fallback && *option->fallback && !option->secret)
            tt_buf_printf(out, "default: %s\n", option->fallback);
        else
            tt_buf_append_z(out, "no default\n");
    }
}
