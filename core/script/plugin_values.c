#include "script/plugin_values.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX 65536

struct reading {
    struct tt_plugin_values *values;
    const char *name; /* of the file, for messages */
    struct tt_buf *hashed;
    struct tt_err *err;
};

static int refuse(const struct reading *reading, const struct tt_yaml_node *node, const char *why)
{
    return tt_err_set(reading->err, 422, "script_error", "%s:%d: plugins: %s", reading->name,
                      node->line, why);
}

/* So that a reload notices another secret in a file. */
static void hash_file(const struct reading *reading, struct tt_str key, const char *path)
{
    struct stat status;

    if (tt_str_ends(key, TT_STR("_file")) && stat(path, &status) == 0)
        tt_buf_printf(reading->hashed, " %lld %lld %lld", (long long)status.st_size,
                      (long long)status.st_mtim.tv_sec, (long long)status.st_mtim.tv_nsec);
}

static int read_items(const struct reading *reading, const struct tt_yaml_node *node,
                      struct tt_plugin_value *value)
{
    size_t count = 0;

    for (const struct tt_yaml_node *item = node->first; item; item = item->next)
        count++;
    value->list = true;
    value->items = tt_arena_alloc(&reading->values->arena, (count + 1) * sizeof(struct tt_str));
    for (const struct tt_yaml_node *item = node->first; item; item = item->next) {
        if (item->type != TT_YAML_SCALAR)
            return refuse(reading, item, "a list of texts is wanted");
        value->items[value->item_count++] = item->scalar;
        tt_buf_printf(reading->hashed, " %zu %s", item->scalar.len, item->scalar.data);
        const char *path = strchr(item->scalar.data, '='); /* NAME=FILE */
        if (path)
            hash_file(reading, value->key, path + 1);
    }
    return 0;
}

static int read_value(const struct reading *reading, struct tt_str plugin,
                      const struct tt_yaml_node *node)
{
    struct tt_plugin_values *values = reading->values;
    struct tt_plugin_value value = {.plugin = plugin, .key = node->key, .text = node->scalar};

    if (node->type == TT_YAML_MAP)
        return refuse(reading, node, "a value is wanted, not a section");
    if (node->type == TT_YAML_SCALAR && node->scalar.len == 0 && !node->quoted)
        return 0; /* as if the line were not there */
    snprintf(value.origin, sizeof(value.origin), "%.140s:%d", reading->name, node->line);
    tt_buf_printf(reading->hashed, "\n%s.%s", plugin.data, node->key.data);
    if (node->type == TT_YAML_LIST && read_items(reading, node, &value) != 0)
        return -1;
    tt_buf_printf(reading->hashed, " %zu %s", value.text.len, value.list ? "" : value.text.data);
    if (!value.list)
        hash_file(reading, value.key, value.text.data);
    values->items = tt_realloc(values->items, (values->count + 1) * sizeof(value));
    values->items[values->count++] = value;
    return 0;
}

static int read_section(const struct reading *reading, const struct tt_yaml_node *section)
{
    if (section->type == TT_YAML_SCALAR && section->scalar.len == 0)
        return 0;
    if (section->type != TT_YAML_MAP)
        return refuse(reading, section, "a section of plugins is wanted");
    for (const struct tt_yaml_node *plugin = section->first; plugin; plugin = plugin->next) {
        if (plugin->type == TT_YAML_SCALAR && plugin->scalar.len == 0)
            continue;
        if (plugin->type != TT_YAML_MAP)
            return refuse(reading, plugin, "a plugin's settings are lines of \"key: value\"");
        for (const struct tt_yaml_node *node = plugin->first; node; node = node->next)
            if (read_value(reading, plugin->key, node) != 0)
                return -1;
    }
    return 0;
}

int tt_plugin_values_read(struct tt_plugin_values *values, const char *path, struct tt_err *err)
{
    struct tt_buf text = {0}, hashed = {0};
    struct tt_err why = {0};
    struct reading reading = {values, path, &hashed, err};
    const struct tt_yaml_node *root, *section;
    int failed = 0;
    FILE *file = path ? fopen(path, "re") : NULL;

    *values = (struct tt_plugin_values){0};
    if (!file)
        return !path || errno == ENOENT
                   ? 0
                   : tt_err_set(err, 422, "script_error", "%s: %s", path, strerror(errno));
    text.len = fread(tt_buf_reserve(&text, FILE_MAX + 1), 1, FILE_MAX + 1, file);
    fclose(file);
    root = tt_yaml_parse(&values->arena, path, tt_buf_str(&text), &why);
    section = root && root->type == TT_YAML_MAP ? tt_yaml_child(root, "plugins") : NULL;
    if (!root)
        failed = tt_err_set(err, 422, "script_error", "%s", why.message);
    else if (section)
        failed = read_section(&reading, section);
    if (hashed.len)
        tt_sha256_hex(tt_buf_str(&hashed), values->hash);
    if (text.data)
        explicit_bzero(text.data, text.len);
    if (hashed.data)
        explicit_bzero(hashed.data, hashed.len);
    tt_buf_free(&text);
    tt_buf_free(&hashed);
    return failed;
}

void tt_plugin_values_destroy(struct tt_plugin_values *values)
{
    free(values->items);
    tt_arena_destroy(&values->arena);
    *values = (struct tt_plugin_values){0};
}

static void put_upper(struct tt_buf *out, struct tt_str text)
{
    for (size_t i = 0; i < text.len; i++)
        tt_buf_putc(out, (char)toupper((unsigned char)text.data[i]));
}

static bool get_from_environment(struct tt_str plugin, struct tt_str key,
                                 struct tt_plugin_value *out)
{
    struct tt_buf name = {0};

    tt_buf_append_z(&name, "TIDETALK_PLUGINS_");
    put_upper(&name, plugin);
    tt_buf_putc(&name, '_');
    put_upper(&name, key);
    tt_buf_putc(&name, '\0');
    const char *text = getenv(name.data);
    if (text) {
        *out = (struct tt_plugin_value){.plugin = plugin, .key = key, .text = tt_str_from(text)};
        snprintf(out->origin, sizeof(out->origin), "%s", name.data);
    }
    tt_buf_free(&name);
    return text != NULL;
}

bool tt_plugin_values_get(const struct tt_plugin_values *values, struct tt_str plugin,
                          struct tt_str key, struct tt_plugin_value *out)
{
    if (get_from_environment(plugin, key, out))
        return true;
    for (size_t i = 0; i < values->count; i++) {
        const struct tt_plugin_value *value = &values->items[i];
        if (!tt_str_eq(value->plugin, plugin) || !tt_str_eq(value->key, key))
            continue;
        *out = *value;
        return true;
    }
    return false;
}
