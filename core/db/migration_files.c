/* Reading a migrations folder. Names are checked strictly: a file that ends in .sql and is not a
 * migration is an error, because skipping "0002-x.up.sql" silently would leave an incomplete
 * schema. Other files (a README) are ignored. */
#include "db/migration_files.h"

#include "base/mem.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX      (4u << 20)
#define VERSION_SIZE  4 /* digits */
#define BASELINE_NAME "baseline"

static int read_file(const char *path, struct tt_buf *out, struct tt_err *err)
{
    int status = -1;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        const char *code = errno == ENOENT ? "migration_missing" : "migration_failed";
        return tt_err_set(err, 500, code, "%s: %s", path, strerror(errno));
    }
    out->max = FILE_MAX;
    for (;;) {
        char *room = tt_buf_reserve(out, 16384);
        if (!room) {
            tt_err_set(err, 500, "migration_failed", "%s: longer than %u bytes", path, FILE_MAX);
            goto out;
        }
        n = read(fd, room, 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        out->len += (size_t)n;
    }
    if (n < 0) {
        tt_err_set(err, 500, "migration_failed", "%s: %s", path, strerror(errno));
    } else if (out->len > 0 && memchr(out->data, '\0', out->len)) {
        tt_err_set(err, 500, "migration_failed", "%s: holds a NUL byte", path);
    } else {
        status = tt_buf_append(out, "", 0);
    }
out:
    close(fd);
    return status;
}

/* Parses "NNNN_name.up.sql". 1 = an up file, 0 = another file, -1 = a wrong name. */
static int parse_name(const char *file_name, struct tt_migration_file *file, struct tt_err *err)
{
    struct tt_str s = tt_str_from(file_name);
    if (!tt_str_ends(s, TT_STR(".sql")))
        return 0;
    bool up = tt_str_ends(s, TT_STR(".up.sql"));
    size_t suffix = up ? sizeof(".up.sql") - 1 : sizeof(".down.sql") - 1;
    bool good = (up || tt_str_ends(s, TT_STR(".down.sql"))) && s.len > VERSION_SIZE + 1 + suffix;
    for (size_t i = 0; good && i < VERSION_SIZE; i++) {
        good = isdigit((unsigned char)s.data[i]) != 0;
        file->version = file->version * 10 + (s.data[i] - '0');
    }
    good = good && s.data[VERSION_SIZE] == '_';
    size_t name_len = good ? s.len - VERSION_SIZE - 1 - suffix : 0;
    if (!good || name_len >= sizeof(file->name))
        return tt_err_set(err, 500, "migration_failed",
                          "%s: not named NNNN_<name>.up.sql or NNNN_<name>.down.sql", file_name);
    memcpy(file->name, s.data + VERSION_SIZE + 1, name_len);
    file->name[name_len] = '\0';
    return up;
}

static int add_file(struct tt_migration_files *set, const char *directory, const char *file_name,
                    struct tt_err *err)
{
    char path[PATH_MAX];
    struct tt_migration_file file = {0};
    int kind = parse_name(file_name, &file, err);
    if (kind <= 0)
        return kind;
    snprintf(path, sizeof(path), "%s/%s", directory, file_name);
    if (read_file(path, &file.sql, err) != 0) {
        tt_buf_free(&file.sql);
        return -1;
    }
    tt_sha256_hex(tt_buf_str(&file.sql), file.sha256);
    set->files = tt_realloc(set->files, (set->count + 1) * sizeof(file));
    set->files[set->count++] = file;
    return 0;
}

static int by_version(const void *a, const void *b)
{
    const struct tt_migration_file *left = a, *right = b;
    return (left->version > right->version) - (left->version < right->version);
}

static int check_versions(const struct tt_migration_files *set, struct tt_err *err)
{
    for (size_t i = 0; i < set->count; i++) {
        int version = set->files[i].version;
        int wanted = i > 0 ? set->files[i - 1].version + 1
                     : strcmp(set->files[i].name, BASELINE_NAME) == 0 ? version
                                                                      : 1;
        if (version == wanted)
            continue;
        if (version < wanted)
            return tt_err_set(err, 500, "migration_failed", "two files or none for version %04d",
                              version);
        return tt_err_set(err, 500, "migration_missing", "no file for version %04d, but %04d_%s",
                          wanted, version, set->files[i].name);
    }
    return 0;
}

int tt_migration_files_read(struct tt_migration_files *set, const char *directory,
                            struct tt_err *err)
{
    struct dirent *entry;
    int status = 0;
    *set = (struct tt_migration_files){0};
    DIR *dir = opendir(directory);
    if (!dir)
        return tt_err_set(err, 500, "migration_failed", "%s: %s", directory, strerror(errno));
    while (status == 0 && (errno = 0, entry = readdir(dir)))
        status = add_file(set, directory, entry->d_name, err);
    if (status == 0 && errno)
        status = tt_err_set(err, 500, "migration_failed", "%s: %s", directory, strerror(errno));
    closedir(dir);
    if (status != 0)
        return -1;
    if (set->count == 0) /* most likely the wrong folder: an empty schema is of no use */
        return tt_err_set(err, 500, "migration_missing", "%s: no migrations", directory);
    qsort(set->files, set->count, sizeof(set->files[0]), by_version);
    return check_versions(set, err);
}

void tt_migration_files_free(struct tt_migration_files *set)
{
    for (size_t i = 0; i < set->count; i++)
        tt_buf_free(&set->files[i].sql);
    free(set->files);
    *set = (struct tt_migration_files){0};
}

int tt_migration_files_read_down(const char *directory, const struct tt_migration_file *file,
                                 struct tt_buf *sql, struct tt_err *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%04d_%s.down.sql", directory, file->version, file->name);
    return read_file(path, sql, err);
}

const struct tt_migration_file *tt_migration_files_get(const struct tt_migration_files *set,
                                                       int version)
{
    int first = set->count > 0 ? set->files[0].version : 1;
    bool there = version >= first && (size_t)(version - first) < set->count;
    return there ? &set->files[version - first] : NULL;
}

const struct tt_migration_file *tt_migration_files_after(const struct tt_migration_files *set,
                                                         int version)
{
    if (version == 0)
        return set->count > 0 ? &set->files[0] : NULL;
    return tt_migration_files_get(set, version + 1);
}

int tt_migration_files_compare(const struct tt_migration_files *set, int version,
                               struct tt_str name, struct tt_str sha256, int *newest,
                               struct tt_err *err)
{
    const struct tt_migration_file *wanted = tt_migration_files_after(set, *newest);
    int next = wanted ? wanted->version : *newest + 1;
    if (version != next)
        return tt_err_set(err, 500, "migration_missing",
                          "the database has version %04d applied but not %04d", version, next);
    if (!wanted)
        return tt_err_set(
            err, 500, "migration_missing",
            "version %04d %.*s is applied but has no file: the database is newer than this "
            "program. "
            "Install the program that wrote it, or let that one run `tidetalk migrate --down %d`",
            version, TT_STR_ARG(name), *newest);
    if (!tt_str_eq(sha256, tt_str_from(wanted->sha256)))
        return tt_err_set(err, 500, "migration_changed",
                          "%04d_%s.up.sql was changed after it was applied: undo the change, or "
                          "write a new migration",
                          version, wanted->name);
    *newest = version;
    return 0;
}
