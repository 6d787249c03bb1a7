/* Reading the script files into memory. Hidden files (editors leave them), types/ (annotations
 * only), tests/ and templates/ (of `tidetalk new`) are left out; sizes and numbers are capped, so
 * that a wrong directory is refused and not read completely. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/secret.h"
#include "script/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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
    const struct tt_script_sources *sources;
    const char *root; /* the folder that is walked through */
    char prefix[128]; /* of the paths in the bundle: "plugins/NAME/" or "" */
    int files;
    size_t bytes;
    int (*visit)(struct walk *walk, const char *path, const char *name, const struct stat *status);
    struct tt_bundle *bundle; /* reading */
    uint64_t stamp;           /* looking only */
    int64_t newest_ns;
    struct tt_err *err;
};

static void add_shadow(struct tt_bundle *bundle, struct tt_str path, struct tt_str bytes)
{
    for (size_t i = 0; i < bundle->shadow_count; i++)
        if (tt_str_eq(bundle->shadows[i].path, path))
            return;
    bundle->shadows =
        tt_realloc(bundle->shadows, (bundle->shadow_count + 1) * sizeof(*bundle->shadows));
    struct tt_bundle_shadow *shadow = &bundle->shadows[bundle->shadow_count++];
    shadow->path = tt_arena_str(&bundle->arena, path);
    shadow->bytes = tt_arena_str(&bundle->arena, bytes);
    tt_sha256_hex(bytes, shadow->hash);
}

/* A file that an earlier folder has too is shadowed by it. */
static void add_file(struct walk *walk, const char *name, struct tt_str bytes)
{
    struct tt_str path = tt_str_from(name);

    for (size_t i = 0; walk->root != walk->sources->roots[0] && i < walk->bundle->file_count; i++) {
        if (!tt_str_eq(walk->bundle->files[i].path, path))
            continue;
        add_shadow(walk->bundle, path, bytes);
        return;
    }
    tt_bundle_add(walk->bundle, path, bytes);
}

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
        add_file(walk, name, tt_buf_str(&bytes));
    else
        tt_err_set(walk->err, 422, "script_error", "%s: %s", path,
                   n == -2 ? "larger than 1 MiB" : strerror(errno));
    tt_buf_free(&bytes);
    return n == 0 ? 0 : -1;
}

static bool is_left_out(const char *folder)
{
    return strcmp(folder, "types") == 0 || strcmp(folder, "tests") == 0 ||
           strcmp(folder, "templates") == 0;
}

static bool is_served(const struct walk *walk, const char *inside)
{
    return *walk->prefix && strncmp(inside, TT_BUNDLE_STATIC, sizeof(TT_BUNDLE_STATIC) - 1) == 0;
}

/* Whether the bundle has the file; `inside` is its path below the folder. */
static bool is_wanted(const struct walk *walk, const char *inside)
{
    return tt_str_ends(tt_str_from(inside), TT_STR(".lua")) || is_served(walk, inside) ||
           (*walk->prefix && tt_str_ends(tt_str_from(inside), TT_STR(".sql")));
}

/* What is served is what lies in the folder: a link could show anything else. */
static int refuse_link(struct walk *walk, const char *inside, const char *path)
{
    struct stat status;
    bool folder = *walk->prefix && strcmp(inside, "static") == 0;

    if (!(folder || is_served(walk, inside)) || lstat(path, &status) != 0 ||
        !S_ISLNK(status.st_mode))
        return 0;
    return tt_err_set(walk->err, 422, "script_error",
                      "%s: is a symbolic link; files that are served are none", path);
}

static int walk_directory(struct walk *walk, const char *below);

static int walk_entry(struct walk *walk, const char *below, const char *entry)
{
    char name[NAME_BYTES], full[PATH_BYTES + NAME_BYTES];
    struct stat status;

    int name_length =
        snprintf(name, sizeof(name), "%s%s%s%s", walk->prefix, below, *below ? "/" : "", entry);
    const char *inside = name + strlen(walk->prefix);
    if (name_length >= NAME_BYTES ||
        snprintf(full, sizeof(full), "%s/%s", walk->root, inside) >= PATH_BYTES)
        return tt_err_set(walk->err, 422, "script_error", "%s/%s%s%s: the path is too long",
                          walk->root, below, *below ? "/" : "", entry);
    if (stat(full, &status) != 0)
        return 0; /* an editor's temporary file that has just gone */
    if (refuse_link(walk, inside, full) != 0)
        return -1;
    if (S_ISDIR(status.st_mode))
        return walk_directory(walk, inside);
    if (!S_ISREG(status.st_mode) || !is_wanted(walk, inside))
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

/* An entry of the folder of plugins. */
static int walk_plugin(struct walk *walk, const char *entry)
{
    char folder[PATH_BYTES], mark[PATH_BYTES + 16];
    struct stat status;

    if (snprintf(folder, sizeof(folder), "%s/%s", walk->sources->plugins_dir, entry) >= PATH_BYTES)
        return tt_err_set(walk->err, 422, "script_error", "%s: the path is too long", entry);
    if (stat(folder, &status) != 0)
        return 0;
    if (!S_ISDIR(status.st_mode))
        return tt_str_ends(tt_str_from(entry), TT_STR(".lua"))
                   ? tt_err_set(walk->err, 422, "script_error",
                                "%s: a plugin is a folder with a file plugin.lua", folder)
                   : 0;
    if (!tt_plugin_is_name(tt_str_from(entry)))
        return tt_err_set(walk->err, 422, "script_error",
                          "%s: the name of a plugin's folder has small letters, digits and _",
                          folder);
    snprintf(mark, sizeof(mark), "%s/.disabled", folder);
    if (access(mark, F_OK) == 0)
        return 0;
    walk->root = folder;
    snprintf(walk->prefix, sizeof(walk->prefix), TT_PLUGINS "%s/", entry);
    return walk_directory(walk, "");
}

static int walk_plugins(struct walk *walk)
{
    const char *path = walk->sources->plugins_dir;
    DIR *directory = path ? opendir(path) : NULL;
    int result = 0;

    if (!directory)
        return !path || errno == ENOENT
                   ? 0
                   : tt_err_set(walk->err, 422, "script_error", "%s: %s", path, strerror(errno));
    for (struct dirent *entry; result == 0 && (entry = readdir(directory));)
        if (entry->d_name[0] != '.')
            result = walk_plugin(walk, entry->d_name);
    closedir(directory);
    return result;
}

static int walk_all(struct walk *walk)
{
    for (size_t i = 0; i < walk->sources->root_count; i++) {
        walk->root = walk->sources->roots[i];
        if (walk_directory(walk, "") != 0)
            return -1;
    }
    return walk_plugins(walk);
}

int tt_bundle_read_values(struct tt_bundle *bundle, const struct tt_script_sources *sources,
                          struct tt_err *err)
{
    tt_plugin_values_destroy(&bundle->values);
    return tt_plugin_values_read(&bundle->values, sources->config, err);
}

struct tt_bundle *tt_bundle_read(const struct tt_script_sources *sources,
                                 const struct tt_bundle *before, struct tt_err *err)
{
    struct tt_err why = {0};
    struct tt_bundle *bundle = tt_bundle_new();
    struct walk walk = {.sources = sources, .visit = read_file, .bundle = bundle, .err = &why};

    if (walk_all(&walk) == 0 && read_file(&walk, sources->personas, "style.yaml", NULL) == 0 &&
        tt_bundle_seal(bundle, before, &why) == 0 &&
        tt_bundle_read_values(bundle, sources, &why) == 0)
        return bundle;
    if (bundle->hash[0] && !tt_bundle_find(bundle, TT_STR("app.lua")))
        tt_err_set(&why, 422, "script_error", "%s/app.lua: not found", sources->roots[0]);
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
static struct walk look(const struct tt_script_sources *sources)
{
    struct walk walk = {.sources = sources, .visit = look_at};
    struct stat status;

    walk_all(&walk);
    if (stat(sources->personas, &status) == 0)
        look_at(&walk, sources->personas, "style.yaml", &status);
    return walk;
}

static void sleep_ns(int64_t ns)
{
    struct timespec time = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    nanosleep(&time, NULL);
}

struct tt_bundle *tt_bundle_snapshot(const struct tt_script_sources *sources,
                                     const struct tt_bundle *before, struct tt_err *err)
{
    int64_t end = (int64_t)tt_clock_mono_ns() + SETTLE_MAX_NS;

    while ((int64_t)tt_clock_mono_ns() < end) {
        struct walk first = look(sources);
        int64_t age = tt_clock_wall_ns() - first.newest_ns;
        if (age >= 0 && age < SETTLED_NS) { /* a time to come is no sign of writing */
            sleep_ns(SETTLED_NS - age);
            continue;
        }
        struct tt_err why = {0}; /* of a try that is made again it means nothing */
        struct tt_bundle *bundle = tt_bundle_read(sources, before, &why);
        if (look(sources).stamp == first.stamp) {
            if (!bundle && err)
                *err = why;
            return bundle;
        }
        tt_bundle_free(bundle);
    }
    tt_err_set(err, 422, "script_error",
               "%s: files go on changing; nothing was loaded, try again when they are saved",
               sources->roots[0]);
    return NULL;
}
