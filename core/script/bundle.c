/* Reading the script files into memory, with the hash over all of them. Hidden files (editors leave
 * them), types/ (annotations only) and tests/ are left out; sizes and numbers are capped, so that a
 * wrong directory is refused and not read completely. */
#include "script/bundle.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX_BYTES (1u << 20)
#define FILES_MAX      2000
#define BYTES_MAX      (64u << 20) /* of all files */
#define PATH_BYTES     4096
#define NAME_BYTES     256          /* below lua/: longer ones could not be required */
#define SETTLED_NS     50000000ll   /* a file must be this old */
#define SETTLE_MAX_NS  3000000000ll /* after which a snapshot gives up */

struct walk {
    const char *root;
    int files;
    size_t bytes;
    int (*visit)(struct walk *walk, const char *path, const char *name, const struct stat *status);
    struct tt_bundle *bundle; /* reading */
    uint64_t stamp;           /* looking only */
    int64_t newest_ns;
    struct tt_err *err;
};

static int read_file(struct walk *walk, const char *path, const char *name,
                     const struct stat *status)
{
    struct tt_buf bytes = {.max = FILE_MAX_BYTES};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would wait for ever */
    ssize_t n = 0;
    (void)status;

    if (fd < 0)
        return tt_err_set(walk->err, 422, "script_error", "%s: %s", path, strerror(errno));
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
    walk->bytes += bytes.len;
    if (n == 0 && walk->bytes > BYTES_MAX)
        n = tt_err_set(walk->err, 422, "script_error", "%s: more than 64 MiB of scripts",
                       walk->root);
    else if (n == 0)
        tt_bundle_add(walk->bundle, tt_str_from(name), tt_buf_str(&bytes));
    else
        tt_err_set(walk->err, 422, "script_error", "%s: %s", path,
                   n == -2 ? "larger than 1 MiB" : strerror(errno));
    tt_buf_free(&bytes);
    return n == 0 ? 0 : -1;
}

static bool is_left_out(const char *folder)
{
    return strcmp(folder, "types") == 0 || strcmp(folder, "tests") == 0;
}

static int walk_directory(struct walk *walk, const char *below);

static int walk_entry(struct walk *walk, const char *below, const char *entry)
{
    char name[NAME_BYTES], full[PATH_BYTES + NAME_BYTES];
    struct stat status;

    int name_length = snprintf(name, sizeof(name), "%s%s%s", below, *below ? "/" : "", entry);
    int length = snprintf(full, sizeof(full), "%s/%s", walk->root, name);
    if (length >= PATH_BYTES || name_length >= NAME_BYTES)
        return tt_err_set(walk->err, 422, "script_error", "%s: the path is too long", full);
    if (stat(full, &status) != 0)
        return 0; /* an editor's temporary file that has just gone */
    if (S_ISDIR(status.st_mode))
        return walk_directory(walk, name);
    if (!S_ISREG(status.st_mode) || !tt_str_ends(tt_str_from(name), TT_STR(".lua")))
        return 0;
    if (++walk->files > FILES_MAX)
        return tt_err_set(walk->err, 422, "script_error", "%s: more than %d script files",
                          walk->root, FILES_MAX);
    return walk->visit(walk, full, name, &status);
}

static int walk_directory(struct walk *walk, const char *below)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s%s%s", walk->root, *below ? "/" : "", below);
    DIR *directory = opendir(path);
    int result = 0;

    if (!directory)
        return tt_err_set(walk->err, 422, "script_error", "%s: %s", path, strerror(errno));
    for (struct dirent *entry; result == 0 && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.' || (!*below && is_left_out(entry->d_name)))
            continue;
        result = walk_entry(walk, below, entry->d_name);
    }
    closedir(directory);
    return result;
}

/* ---- the hashes ---- */

static int by_path(const void *a, const void *b)
{
    const struct tt_bundle_file *x = a, *y = b;
    return strcmp(x->path.data, y->path.data);
}

static void hash_files(struct tt_bundle *bundle)
{
    struct tt_buf all = {0};
    for (size_t i = 0; i < bundle->file_count; i++) {
        struct tt_bundle_file *file = &bundle->files[i];
        tt_sha256_hex(file->bytes, file->hash);
        /* Lengths keep ("ab", "c") and ("a", "bc") apart. */
        tt_buf_printf(&all, "%zu %zu\n", file->path.len, file->bytes.len);
        tt_buf_append_str(&all, file->path);
        tt_buf_append_str(&all, file->bytes);
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
    file->path = tt_arena_str(&bundle->arena, path);
    file->bytes = tt_arena_str(&bundle->arena, bytes);
}

int tt_bundle_seal(struct tt_bundle *bundle, struct tt_err *err)
{
    if (bundle->file_count)
        qsort(bundle->files, bundle->file_count, sizeof(struct tt_bundle_file), by_path);
    hash_files(bundle);
    if (!tt_bundle_find(bundle, TT_STR("app.lua")))
        return tt_err_set(err, 422, "script_error", "app.lua: not found");
    return 0;
}

/* ---- from the disk ---- */

struct tt_bundle *tt_bundle_read(const char *lua_dir, const char *personas_file, struct tt_err *err)
{
    struct tt_err why = {0};
    struct tt_bundle *bundle = tt_bundle_new();
    struct walk walk = {.root = lua_dir, .visit = read_file, .bundle = bundle, .err = &why};

    if (walk_directory(&walk, "") == 0 &&
        read_file(&walk, personas_file, "style.yaml", NULL) == 0 &&
        tt_bundle_seal(bundle, &why) == 0)
        return bundle;
    if (bundle->hash[0]) /* all was read: it is app.lua that is missing */
        tt_err_set(&why, 422, "script_error", "%s/app.lua: not found", lua_dir);
    if (err)
        *err = why;
    tt_bundle_free(bundle);
    return NULL;
}

/* Whatever changes with a file goes into the sum, which does not depend on the order. */
static int look_at(struct walk *walk, const char *path, const char *name, const struct stat *status)
{
    const struct timespec *written = &status->st_mtim, *changed = &status->st_ctim;
    const uint64_t parts[] = {(uint64_t)status->st_ino,  (uint64_t)status->st_size,
                              (uint64_t)written->tv_sec, (uint64_t)written->tv_nsec,
                              (uint64_t)changed->tv_sec, (uint64_t)changed->tv_nsec};
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    int64_t written_ns = (int64_t)written->tv_sec * 1000000000 + written->tv_nsec;
    (void)path;

    for (const char *c = name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    for (size_t i = 0; i < TT_COUNT(parts); i++)
        hash = (hash ^ parts[i]) * 1099511628211u;
    walk->stamp += hash;
    if (written_ns > walk->newest_ns)
        walk->newest_ns = written_ns;
    return 0;
}

/* Looks at everything that is read; a folder that cannot be walked is found by the reading. */
static struct walk look(const char *lua_dir, const char *personas_file)
{
    struct walk walk = {.root = lua_dir, .visit = look_at};
    struct stat status;

    walk_directory(&walk, "");
    if (stat(personas_file, &status) == 0)
        look_at(&walk, personas_file, "style.yaml", &status);
    return walk;
}

static void sleep_ns(int64_t ns)
{
    struct timespec time = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    nanosleep(&time, NULL);
}

struct tt_bundle *tt_bundle_snapshot(const char *lua_dir, const char *personas_file,
                                     struct tt_err *err)
{
    int64_t end = (int64_t)tt_clock_mono_ns() + SETTLE_MAX_NS;

    while ((int64_t)tt_clock_mono_ns() < end) {
        struct walk before = look(lua_dir, personas_file);
        int64_t age = tt_clock_wall_ns() - before.newest_ns;
        if (age >= 0 && age < SETTLED_NS) { /* a time to come is no sign of writing */
            sleep_ns(SETTLED_NS - age);
            continue;
        }
        struct tt_err why = {0}; /* of a try that is made again it means nothing */
        struct tt_bundle *bundle = tt_bundle_read(lua_dir, personas_file, &why);
        if (look(lua_dir, personas_file).stamp == before.stamp) {
            if (!bundle && err)
                *err = why;
            return bundle;
        }
        tt_bundle_free(bundle);
    }
    tt_err_set(err, 422, "script_error",
               "%s: files go on changing; nothing was loaded, try again when they are saved",
               lua_dir);
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
