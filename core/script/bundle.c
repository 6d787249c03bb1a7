/* The files of a bundle in memory, with the hash over all of them. bundle_read.c reads them from
 * the disk, the history from the database. */
#include "script/bundle.h"

#include "base/mem.h"
#include "base/secret.h"
#include "script/compiled.h"

#include <stdlib.h>

static int by_path(const void *a, const void *b)
{
    const struct tt_bundle_file *x = a, *y = b;
    return strcmp(x->path.data, y->path.data);
}

/* Hashes a file, unless the other bundle has the same one. */
static void identify(struct tt_bundle_file *file, const struct tt_bundle *before)
{
    const struct tt_bundle_file *old = before ? tt_bundle_find(before, file->path) : NULL;

    if (!old || !tt_str_eq(old->bytes, file->bytes)) {
        tt_sha256_hex(file->bytes, file->hash);
        return;
    }
    memcpy(file->hash, old->hash, sizeof(file->hash));
    if (old->compiled)
        file->compiled = tt_compiled_ref(old->compiled);
}

void tt_bundle_hash(struct tt_bundle *bundle)
{
    struct tt_buf all = {0};

    if (bundle->file_count)
        qsort(bundle->files, bundle->file_count, sizeof(struct tt_bundle_file), by_path);
    for (size_t i = 0; i < bundle->file_count; i++) {
        const struct tt_bundle_file *file = &bundle->files[i];
        /* The length keeps a path with a line break apart from two files. */
        tt_buf_printf(&all, "%zu %s %s\n", file->path.len, file->path.data, file->hash);
    }
    tt_sha256_hex(tt_buf_str(&all), bundle->hash);
    tt_buf_free(&all);
}

struct tt_bundle *tt_bundle_new(void)
{
    return TT_NEW(struct tt_bundle);
}

void tt_bundle_add(struct tt_bundle *bundle, struct tt_str path, struct tt_str bytes)
{
    if (bundle->file_count == bundle->capacity) {
        bundle->capacity = bundle->capacity ? bundle->capacity * 2 : 64;
        bundle->files = tt_realloc(bundle->files, bundle->capacity * sizeof(struct tt_bundle_file));
    }
    struct tt_bundle_file *file = &bundle->files[bundle->file_count++];
    *file = (struct tt_bundle_file){.path = tt_arena_str(&bundle->arena, path),
                                    .bytes = tt_arena_str(&bundle->arena, bytes)};
}

/* The names of the plugins; their files lie together, since all are sorted. */
static void find_plugins(struct tt_bundle *bundle)
{
    struct tt_str last = {0};

    bundle->plugin_count = 0;
    bundle->plugins = tt_arena_alloc(&bundle->arena, (bundle->file_count + 1) * sizeof(last));
    for (size_t i = 0; i < bundle->file_count; i++) {
        struct tt_str name = tt_plugin_of(bundle->files[i].path);
        if (name.len == 0 || tt_str_eq(name, last))
            continue;
        bundle->plugins[bundle->plugin_count++] = last = tt_arena_str(&bundle->arena, name);
    }
}

/* Whether `require "NAME.x"` could mean a file of the scripts: of a folder or a file NAME. */
static bool is_taken(const struct tt_bundle *bundle, struct tt_str name)
{
    for (size_t i = 0; i < bundle->file_count; i++) {
        struct tt_str path = bundle->files[i].path;
        if (path.len > name.len && tt_str_starts(path, name) &&
            (path.data[name.len] == '/' || path.data[name.len] == '.'))
            return true;
    }
    return tt_str_eq(name, TT_STR("tide"));
}

int tt_bundle_seal(struct tt_bundle *bundle, const struct tt_bundle *before, struct tt_err *err)
{
    for (size_t i = 0; i < bundle->file_count; i++)
        identify(&bundle->files[i], before);
    tt_bundle_hash(bundle);
    find_plugins(bundle);
    for (size_t i = 0; i < bundle->plugin_count; i++)
        if (is_taken(bundle, bundle->plugins[i]))
            return tt_err_set(err, 422, "script_error",
                              TT_PLUGINS "%s/plugin.lua:1: the server's own scripts have the name "
                                         "'%s'; rename the plugin's folder",
                              bundle->plugins[i].data, bundle->plugins[i].data);
    if (!tt_bundle_find(bundle, TT_STR("app.lua")))
        return tt_err_set(err, 422, "script_error", "app.lua: not found");
    return 0;
}

void tt_bundle_free(struct tt_bundle *bundle)
{
    if (!bundle)
        return;
    for (size_t i = 0; i < bundle->file_count; i++)
        tt_compiled_unref(bundle->files[i].compiled);
    free(bundle->files);
    free(bundle->shadows);
    tt_plugin_values_destroy(&bundle->values);
    tt_arena_destroy(&bundle->arena);
    free(bundle);
}

const struct tt_bundle_file *tt_bundle_find(const struct tt_bundle *bundle, struct tt_str path)
{
    size_t low = 0, high = bundle->file_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct tt_bundle_file *file = &bundle->files[middle];
        size_t common = file->path.len < path.len ? file->path.len : path.len;
        int order = memcmp(path.data, file->path.data, common);
        if (order == 0)
            order = (path.len > file->path.len) - (path.len < file->path.len);
        if (order == 0)
            return file;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
