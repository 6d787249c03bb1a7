#include "app/reload/overlay_bases.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER     "overlay_bases"
#define PATH_BYTES 4600
#define LIST_MAX   (4u << 20)

/* ---- reading ---- */

static bool read_line(struct tt_str line, struct tt_overlay_base *base)
{
    return tt_str_split(&line, ' ', &base->file_hash) &&
           tt_str_split(&line, ' ', &base->base_hash) && tt_str_split(&line, ' ', &base->since) &&
           (base->path = line).len > 0;
}

void tt_overlay_bases_read(const char *data_dir, struct tt_overlay_bases *out)
{
    char path[PATH_BYTES];
    struct tt_buf text = {.max = LIST_MAX};
    struct tt_str rest, line;
    struct tt_overlay_base base;

    *out = (struct tt_overlay_bases){0};
    snprintf(path, sizeof(path), "%s/" FOLDER "/list", data_dir);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    for (char *room; (room = tt_buf_reserve(&text, 4096));) {
        size_t n = fread(room, 1, 4096, file);
        text.len += n;
        if (n == 0)
            break;
    }
    fclose(file);
    rest = tt_arena_str(&out->arena, tt_buf_str(&text));
    tt_buf_free(&text);
    while (tt_str_split(&rest, '\n', &line)) {
        if (!read_line(line, &base))
            continue;
        out->items = tt_realloc(out->items, (out->count + 1) * sizeof(base));
        out->items[out->count++] = base;
    }
}

void tt_overlay_bases_free(struct tt_overlay_bases *bases)
{
    free(bases->items);
    tt_arena_destroy(&bases->arena);
    *bases = (struct tt_overlay_bases){0};
}

const struct tt_overlay_base *tt_overlay_bases_find(const struct tt_overlay_bases *bases,
                                                    struct tt_str path)
{
    for (size_t i = 0; i < bases->count; i++)
        if (tt_str_eq(bases->items[i].path, path))
            return &bases->items[i];
    return NULL;
}

void tt_overlay_bases_place(const char *data_dir, const struct tt_overlay_base *base, char *out,
                            size_t size)
{
    snprintf(out, size, "%s/" FOLDER "/%.*s.lua", data_dir, TT_STR_ARG(base->base_hash));
}

/* ---- writing ---- */

/* Writes beside and renames, so that a crash leaves the old file or the new one. */
static int write_file(const char *path, struct tt_str bytes, struct tt_err *err)
{
    char beside[PATH_BYTES + 8];
    bool written = false;

    snprintf(beside, sizeof(beside), "%s.new", path);
    FILE *file = fopen(beside, "we");
    if (file) {
        written = fwrite(bytes.data, 1, bytes.len, file) == bytes.len;
        written = fclose(file) == 0 && written;
    }
    if (written && rename(beside, path) == 0)
        return 0;
    return tt_err_set(err, 500, "internal_error", "%s: %s", path, strerror(errno));
}

static int keep_base(const char *data_dir, const struct tt_bundle_shadow *shadow,
                     struct tt_overlay_base *base, struct tt_err *err)
{
    char path[PATH_BYTES];

    base->base_hash = tt_str_from(shadow->hash);
    tt_overlay_bases_place(data_dir, base, path, sizeof(path));
    return access(path, F_OK) == 0 ? 0 : write_file(path, shadow->bytes, err);
}

/* Removes bases that the list does not name any more. */
static void sweep(const char *folder, struct tt_str list)
{
    char path[PATH_BYTES];
    DIR *directory = opendir(folder);

    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        struct tt_str name = tt_str_from(entry->d_name);
        if (!tt_str_ends(name, TT_STR(".lua")) ||
            memmem(list.data, list.len, name.data, name.len - 4))
            continue;
        if (snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) < PATH_BYTES)
            unlink(path);
    }
    if (directory)
        closedir(directory);
}

static int put_shadow(const char *data_dir, const struct tt_bundle *bundle,
                      const struct tt_overlay_bases *known, const struct tt_bundle_shadow *shadow,
                      struct tt_buf *list, struct tt_err *err)
{
    char now[TT_RFC3339_SIZE];
    struct tt_str used = tt_str_from(tt_bundle_find(bundle, shadow->path)->hash);
    const struct tt_overlay_base *old = tt_overlay_bases_find(known, shadow->path);
    struct tt_overlay_base base = {.path = shadow->path, .file_hash = used};

    if (old && tt_str_eq(old->file_hash, used)) {
        base = *old;
    } else {
        tt_clock_format(tt_clock_wall_us(), now);
        base.since = tt_str_from(now);
        if (keep_base(data_dir, shadow, &base, err) != 0)
            return -1;
    }
    tt_buf_printf(list, "%.*s %.*s %.*s %.*s\n", TT_STR_ARG(base.file_hash),
                  TT_STR_ARG(base.base_hash), TT_STR_ARG(base.since), TT_STR_ARG(base.path));
    return 0;
}

int tt_overlay_bases_keep(const char *data_dir, const struct tt_bundle *bundle, struct tt_err *err)
{
    char folder[PATH_BYTES], path[PATH_BYTES];
    struct tt_overlay_bases known;
    struct tt_buf list = {0};
    int failed = 0;

    tt_overlay_bases_read(data_dir, &known);
    if (bundle->shadow_count == 0 && known.count == 0)
        return 0;
    snprintf(folder, sizeof(folder), "%s/" FOLDER, data_dir);
    snprintf(path, sizeof(path), "%s/" FOLDER "/list", data_dir);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        failed = tt_err_set(err, 500, "internal_error", "%s: %s", folder, strerror(errno));
    for (size_t i = 0; failed == 0 && i < bundle->shadow_count; i++)
        failed = put_shadow(data_dir, bundle, &known, &bundle->shadows[i], &list, err);
    if (failed == 0)
        failed = write_file(path, tt_buf_str(&list), err);
    if (failed == 0)
        sweep(folder, tt_buf_str(&list));
    tt_buf_free(&list);
    tt_overlay_bases_free(&known);
    return failed;
}
