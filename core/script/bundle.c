/* Reading the script files into memory, with the hash over all of them. Hidden files (editors leave
 * them) and types/ (annotations only) are left out; sizes and numbers are capped, so that a wrong
 * directory is refused and not swallowed. */
#include "script/bundle.h"

#include "base/mem.h"
#include "base/secret.h"
#include "base/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES (1u << 20)
#define FILES_MAX      2000
#define PATH_BYTES     4096

struct reading {
    struct tt_bundle *bundle;
    size_t capacity;
    struct tt_err *err;
};

static int read_file(struct reading *reading, const char *path, const char *name)
{
    struct tt_bundle *bundle = reading->bundle;
    struct tt_buf bytes = {.max = FILE_MAX_BYTES};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;

    if (fd < 0)
        return tt_err_set(reading->err, 422, "script_error", "%s: %s", path, strerror(errno));
    for (;;) {
        char *room = tt_buf_reserve(&bytes, 16384);
        if (!room) {
            n = -2;
            break;
        }
        n = read(fd, room, 16384);
        if (n <= 0)
            break;
        bytes.len += (size_t)n;
    }
    close(fd);
    if (n < 0) {
        tt_buf_free(&bytes);
        return tt_err_set(reading->err, 422, "script_error", "%s: %s", path,
                          n == -2 ? "larger than 1 MiB" : strerror(errno));
    }
    if (bundle->file_count == reading->capacity) {
        reading->capacity = reading->capacity ? reading->capacity * 2 : 64;
        bundle->files =
            tt_realloc(bundle->files, reading->capacity * sizeof(struct tt_bundle_file));
    }
    struct tt_bundle_file *file = &bundle->files[bundle->file_count++];
    file->path = tt_arena_str(&bundle->arena, tt_str_from(name));
    file->bytes = tt_arena_str(&bundle->arena, tt_buf_str(&bytes));
    tt_buf_free(&bytes);
    return 0;
}

static int read_directory(struct reading *reading, const char *root, const char *below)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s%s%s", root, *below ? "/" : "", below);
    DIR *directory = opendir(path);
    int result = 0;

    if (!directory)
        return tt_err_set(reading->err, 422, "script_error", "%s: %s", path, strerror(errno));
    for (struct dirent *entry; result == 0 && (entry = readdir(directory));) {
        char name[1024], full[5200];
        struct stat status;
        if (entry->d_name[0] == '.' || (!*below && strcmp(entry->d_name, "types") == 0))
            continue;
        snprintf(name, sizeof(name), "%s%s%s", below, *below ? "/" : "", entry->d_name);
        int length = snprintf(full, sizeof(full), "%s/%s", root, name);
        if (length >= PATH_BYTES || strlen(name) >= sizeof(name) - 1) {
            result =
                tt_err_set(reading->err, 422, "script_error", "%s: the path is too long", full);
            continue;
        }
        if (stat(full, &status) != 0)
            continue; /* an editor's temporary file that has just gone */
        if (S_ISDIR(status.st_mode))
            result = read_directory(reading, root, name);
        else if (S_ISREG(status.st_mode) && tt_str_ends(tt_str_from(name), TT_STR(".lua")))
            result = read_file(reading, full, name);
        if (reading->bundle->file_count > FILES_MAX)
            result = tt_err_set(reading->err, 422, "script_error", "%s: more than %d script files",
                                root, FILES_MAX);
    }
    closedir(directory);
    return result;
}

static int by_path(const void *a, const void *b)
{
    const struct tt_bundle_file *x = a, *y = b;
    return strcmp(x->path.data, y->path.data);
}

static void hash_files(struct tt_bundle *bundle)
{
    struct tt_buf all = {0};
    for (size_t i = 0; i < bundle->file_count; i++) {
        const struct tt_bundle_file *file = &bundle->files[i];
        /* Lengths keep ("ab", "c") and ("a", "bc") apart. */
        tt_buf_printf(&all, "%zu %zu\n", file->path.len, file->bytes.len);
        tt_buf_append_str(&all, file->path);
        tt_buf_append_str(&all, file->bytes);
    }
    tt_sha256_hex(tt_buf_str(&all), bundle->hash);
    tt_buf_free(&all);
}

static int one_persona(struct tt_bundle *bundle, const char *name, const struct tt_yaml_node *item,
                       struct tt_err *err)
{
    struct tt_persona *persona = &bundle->personas[bundle->persona_count];
    const struct tt_yaml_node *part;

    if (item->type != TT_YAML_MAP)
        return tt_err_set(err, 422, "script_error",
                          "%s:%d: a persona is a map with 'name' and 'content'", name, item->line);
    for (part = item->first; part; part = part->next) {
        struct tt_str *to = tt_str_eq(part->key, TT_STR("name"))      ? &persona->name
                            : tt_str_eq(part->key, TT_STR("content")) ? &persona->content
                                                                      : NULL;
        if (!to)
            return tt_err_set(err, 422, "script_error",
                              "%s:%d: unknown key '%.*s' (allowed: name, content)", name,
                              part->line, TT_STR_ARG(part->key));
        if (part->type != TT_YAML_SCALAR || tt_str_trim(part->scalar).len == 0)
            return tt_err_set(err, 422, "script_error", "%s:%d: '%.*s' must be a text", name,
                              part->line, TT_STR_ARG(part->key));
        *to = part->scalar;
    }
    if (!persona->name.data || !persona->content.data)
        return tt_err_set(err, 422, "script_error", "%s:%d: the persona has no '%s'", name,
                          item->line, persona->name.data ? "content" : "name");
    for (size_t i = 0; i < bundle->persona_count; i++)
        if (tt_str_eq(bundle->personas[i].name, persona->name))
            return tt_err_set(err, 422, "script_error", "%s:%d: the persona '%.*s' is there twice",
                              name, item->line, TT_STR_ARG(persona->name));
    bundle->persona_count++;
    return 0;
}

static int read_personas(struct tt_bundle *bundle, const char *name, struct tt_err *err)
{
    const struct tt_bundle_file *file = tt_bundle_find(bundle, TT_STR("style.yaml"));
    struct tt_err why = {0};
    size_t count = 0;
    struct tt_yaml_node *root = tt_yaml_parse(&bundle->arena, name, file->bytes, &why);
    const struct tt_yaml_node *list, *item;

    if (!root)
        return tt_err_set(err, 422, "script_error", "%s", why.message);
    list = tt_yaml_child(root, "personas");
    if (!list || list->type != TT_YAML_LIST || !list->first)
        return tt_err_set(err, 422, "script_error",
                          "%s:%d: needs a list 'personas' with at least one entry", name,
                          list ? list->line : 1);
    for (item = list->first; item; item = item->next)
        count++;
    bundle->personas = tt_arena_alloc(&bundle->arena, count * sizeof(struct tt_persona));
    for (item = list->first; item; item = item->next)
        if (one_persona(bundle, name, item, err) != 0)
            return -1;
    return 0;
}

struct tt_bundle *tt_bundle_read(const char *lua_dir, const char *personas_file, struct tt_err *err)
{
    struct tt_bundle *bundle = TT_NEW(struct tt_bundle);
    struct reading reading = {.bundle = bundle, .err = err};

    if (read_directory(&reading, lua_dir, "") != 0 ||
        read_file(&reading, personas_file, "style.yaml") != 0)
        goto failed;
    qsort(bundle->files, bundle->file_count, sizeof(struct tt_bundle_file), by_path);
    hash_files(bundle);
    if (!tt_bundle_find(bundle, TT_STR("app.lua"))) {
        tt_err_set(err, 422, "script_error", "%s/app.lua: not found", lua_dir);
        goto failed;
    }
    if (read_personas(bundle, personas_file, err) != 0)
        goto failed;
    return bundle;
failed:
    tt_bundle_free(bundle);
    return NULL;
}

void tt_bundle_free(struct tt_bundle *bundle)
{
    if (!bundle)
        return;
    free(bundle->files);
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
