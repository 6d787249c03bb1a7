/* The three places of settings besides the table: a YAML file, the environment, flags. An unknown
 * name is an error in the file and among flags, reported with the nearest known one, because a
 * mistyped limit that is silently ignored is found too late. The environment is shared with other
 * programs: only the names in the table are read. */
#include "base/buf.h"
#include "base/conf_set.h"
#include "base/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX     65536
#define NAME_MAX_LEN 96
#define NO_OPTION    ((size_t)-1)

static inline size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edit distance; long names count with their first characters only. */
static size_t distance(struct tt_str a, struct tt_str b)
{
    size_t row[NAME_MAX_LEN + 1];
    a.len = least(a.len, NAME_MAX_LEN);
    b.len = least(b.len, NAME_MAX_LEN);
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t change = diagonal + (a.data[i - 1] != b.data[j - 1]);
            diagonal = row[j];
            row[j] = least(change, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.len];
}

/* As much of a key as has `dots` dots: an unknown section is compared with sections. */
static struct tt_str key_head(const char *key, size_t dots)
{
    size_t len = 0;
    while (key[len] && (key[len] != '.' || dots-- > 0))
        len++;
    return tt_str_of(key, len);
}

static struct tt_str nearest(const struct tt_conf *conf, struct tt_str name, bool whole)
{
    struct tt_str best = {NULL, 0};
    size_t best_distance = SIZE_MAX, dots = 0;
    for (size_t i = 0; i < name.len; i++)
        dots += name.data[i] == '.';
    for (size_t i = 0; i < conf->count; i++) {
        struct tt_str key = key_head(conf->options[i].key, whole ? NAME_MAX_LEN : dots);
        size_t d = distance(name, key);
        if (d < best_distance) {
            best_distance = d;
            best = key;
        }
    }
    return best;
}

static int unknown(const struct tt_conf *conf, const char *origin, struct tt_str key,
                   struct tt_err *err)
{
    struct tt_str near = nearest(conf, key, false);
    return tt_conf_refuse(err, origin, key, "unknown setting, the nearest known one is \"%.*s\"",
                          TT_STR_ARG(near));
}

static size_t find_key(const struct tt_conf *conf, struct tt_str key)
{
    for (size_t i = 0; i < conf->count; i++)
        if (tt_str_eq(key, tt_str_from(conf->options[i].key)))
            return i;
    return NO_OPTION;
}

static bool is_section(const struct tt_conf *conf, struct tt_str key)
{
    for (size_t i = 0; i < conf->count; i++) {
        struct tt_str whole = tt_str_from(conf->options[i].key);
        if (whole.len > key.len && tt_str_starts(whole, key) && whole.data[key.len] == '.')
            return true;
    }
    return false;
}

struct file {
    struct tt_conf *conf;
    const char *path;
    struct tt_arena arena;
    struct tt_err *err;
};

/* What a line with nothing behind the colon means: as if the line were not there. */
static bool is_null(const struct tt_yaml_node *node)
{
    return node->type == TT_YAML_SCALAR && !node->quoted &&
           (node->scalar.len == 0 || tt_str_eq(node->scalar, TT_STR("~")) ||
            tt_str_eq(node->scalar, TT_STR("null")));
}

static int set_from_list(struct file *file, size_t index, const struct tt_yaml_node *node,
                         const char *origin)
{
    const struct tt_conf_option *option = &file->conf->options[index];
    struct tt_str key = tt_str_from(option->key);
    size_t count = 0;
    if (option->type != TT_CONF_LIST)
        return tt_conf_refuse(file->err, origin, key, "one value is wanted, not a list");
    for (const struct tt_yaml_node *n = node->first; n; n = n->next)
        count++;
    struct tt_str *items = tt_arena_alloc(&file->arena, (count + 1) * sizeof(*items));
    count = 0;
    for (const struct tt_yaml_node *n = node->first; n; n = n->next) {
        if (n->type != TT_YAML_SCALAR || n->scalar.len == 0)
            return tt_conf_refuse(file->err, origin, key, "a list of texts is wanted");
        items[count++] = n->scalar;
    }
    return tt_conf_set(file->conf, index, (struct tt_str){NULL, 0}, items, count, origin,
                       file->err);
}

static int set_from_map(struct file *file, const struct tt_yaml_node *map, struct tt_str prefix);

static int set_from_node(struct file *file, struct tt_str key, const struct tt_yaml_node *node)
{
    char origin[4200];
    snprintf(origin, sizeof(origin), "%s:%d", file->path, node->line);
    size_t index = find_key(file->conf, key);
    bool section = is_section(file->conf, key);
    if (index == NO_OPTION && !section)
        return unknown(file->conf, origin, key, file->err);
    if (is_null(node))
        return 0;
    if (section && node->type == TT_YAML_MAP)
        return set_from_map(file, node, key);
    if (index == NO_OPTION)
        return tt_conf_refuse(file->err, origin, key, "this is a section, it needs keys");
    if (node->type == TT_YAML_MAP)
        return tt_conf_refuse(file->err, origin, key, "a value is wanted, not a section");
    if (node->type == TT_YAML_LIST)
        return set_from_list(file, index, node, origin);
    return tt_conf_set(file->conf, index, node->scalar, NULL, 0, origin, file->err);
}

static int set_from_map(struct file *file, const struct tt_yaml_node *map, struct tt_str prefix)
{
    const char *left_out = file->conf->left_out;

    for (const struct tt_yaml_node *node = map->first; node; node = node->next) {
        struct tt_str key = node->key;
        if (prefix.len == 0 && left_out && tt_str_eq(key, tt_str_from(left_out)))
            continue;
        if (prefix.len > 0) {
            struct tt_buf dotted = {0};
            tt_buf_printf(&dotted, "%.*s.%.*s", TT_STR_ARG(prefix), TT_STR_ARG(node->key));
            key = tt_arena_str(&file->arena, tt_buf_str(&dotted));
            tt_buf_free(&dotted);
        }
        if (set_from_node(file, key, node) < 0 && !tt_conf_noted(file->conf, file->err))
            return -1;
    }
    return 0;
}

/* 1 = read, 0 = not there and need not be, -1 = error. */
static int read_text(const char *path, bool must_exist, struct tt_buf *text, struct tt_err *err)
{
    FILE *f = fopen(path, "re");
    if (!f && errno == ENOENT && !must_exist)
        return 0;
    if (!f)
        return tt_err_set(err, 400, "invalid_setting", "%s: %s", path, strerror(errno));
    char *to = tt_buf_reserve(text, FILE_MAX + 1);
    text->len = fread(to, 1, FILE_MAX + 1, f);
    int problem = ferror(f) ? errno : 0;
    fclose(f);
    if (problem)
        return tt_err_set(err, 400, "invalid_setting", "%s: %s", path, strerror(problem));
    return 1;
}

int tt_conf_read_file(struct tt_conf *conf, const char *path, bool must_exist, struct tt_err *err)
{
    struct file file = {.conf = conf, .path = path, .err = err};
    struct tt_buf text = {0};
    struct tt_err problem = {0};
    int rc = read_text(path, must_exist, &text, err);
    if (rc <= 0)
        goto out;
    rc = -1;
    const struct tt_yaml_node *root = tt_yaml_parse(&file.arena, path, tt_buf_str(&text), &problem);
    if (!root) {
        tt_err_set(err, 400, "invalid_setting", "%s", problem.message);
        goto out;
    }
    if (root->type != TT_YAML_MAP) {
        tt_err_set(err, 400, "invalid_setting", "%s:%d: lines of \"key: value\" are wanted", path,
                   root->line);
        goto out;
    }
    rc = set_from_map(&file, root, (struct tt_str){NULL, 0});
out:
    tt_buf_free(&text);
    tt_arena_destroy(&file.arena);
    return rc;
}

int tt_conf_read_env(struct tt_conf *conf, struct tt_err *err)
{
    for (size_t i = 0; i < conf->count; i++) {
        const char *name = conf->options[i].env;
        const char *text = name ? getenv(name) : NULL;
        if (text && tt_conf_set(conf, i, tt_str_from(text), NULL, 0, name, err) < 0 &&
            !tt_conf_noted(conf, err))
            return -1;
    }
    return 0;
}

static inline char flag_char(char c)
{
    return c == '.' || c == '_' ? '-' : c;
}

static size_t find_flag(const struct tt_conf *conf, struct tt_str name)
{
    for (size_t i = 0; i < conf->count; i++) {
        const char *key = conf->options[i].key;
        size_t n = 0;
        while (n < name.len && key[n] && flag_char(key[n]) == flag_char(name.data[n]))
            n++;
        if (n == name.len && !key[n])
            return i;
    }
    return NO_OPTION;
}

static int unknown_flag(const struct tt_conf *conf, struct tt_str name, struct tt_err *err)
{
    char text[NAME_MAX_LEN + 1];
    struct tt_str near = nearest(conf, name, true);
    for (size_t i = 0; i <= near.len && i < sizeof(text); i++)
        text[i] = i < near.len ? flag_char(near.data[i]) : '\0';
    text[NAME_MAX_LEN] = '\0';
    return tt_err_set(err, 400, "invalid_setting",
                      "--%.*s: unknown flag, the nearest known one is \"--%s\"",
                      (int)least(name.len, NAME_MAX_LEN), name.data, text);
}

/* One "--flag" at argv[*at]; moves *at onto the last word used. A bool alone means true: "--dev".
 */
static int read_flag(struct tt_conf *conf, int argc, char **argv, int *at, struct tt_err *err)
{
    struct tt_str name = tt_str_from(argv[*at] + 2);
    const char *value = NULL, *next = *at + 1 < argc ? argv[*at + 1] : NULL;
    ptrdiff_t equals = tt_str_find(name, '=');
    if (equals >= 0) {
        value = name.data + equals + 1;
        name.len = (size_t)equals;
    }
    size_t index = find_flag(conf, name);
    if (index == NO_OPTION)
        return unknown_flag(conf, name, err);
    bool is_bool = conf->options[index].type == TT_CONF_BOOL;
    char origin[NAME_MAX_LEN + 4];
    snprintf(origin, sizeof(origin), "--%.*s", (int)least(name.len, NAME_MAX_LEN), name.data);
    int64_t ignored;
    if (!value && is_bool && (!next || tt_conf_parse_bool(tt_str_from(next), &ignored) < 0)) {
        value = "true";
    } else if (!value) {
        value = next;
        ++*at;
    }
    if (!value)
        return tt_conf_refuse(err, origin, tt_str_from(conf->options[index].key),
                              "a value must follow");
    return tt_conf_set(conf, index, tt_str_from(value), NULL, 0, origin, err);
}

int tt_conf_read_flags(struct tt_conf *conf, int argc, char **argv, int *argc_rest, char **rest,
                       struct tt_err *err)
{
    bool words_only = false;
    *argc_rest = 0;
    for (int i = 0; i < argc; i++) {
        if (!words_only && strcmp(argv[i], "--") == 0)
            words_only = true;
        else if (words_only || strncmp(argv[i], "--", 2) != 0)
            rest[(*argc_rest)++] = argv[i];
        else if (read_flag(conf, argc, argv, &i, err) < 0 && !tt_conf_noted(conf, err))
            return -1;
    }
    return 0;
}
