#include "db/migration_plugins.h"

#include "base/mem.h"

#include <stdlib.h>

#define VERSION_MAX 9999

static int refuse(const struct tt_db_plugin_file *file, struct tt_err *err, const char *why)
{
    return tt_err_set(err, 422, "migration_failed", "%s:1: %s", file->path.data, why);
}

/* Cuts ".sqlite" or ".postgres" off the name: 1 = it is this engine's, 0 = of another engine, -1 =
 * there is none. */
static int cut_dialect(struct tt_str *name, const char *dialect)
{
    static const char *const dialects[] = {"sqlite", "postgres"};

    for (size_t i = 0; i < TT_COUNT(dialects); i++) {
        struct tt_str ending = tt_str_from(dialects[i]);
        if (!tt_str_ends(*name, ending) || name->len <= ending.len ||
            name->data[name->len - ending.len - 1] != '.')
            continue;
        name->len -= ending.len + 1;
        return strcmp(dialects[i], dialect) == 0;
    }
    return -1;
}

/* "plugins/NAME/migrations/0001_notes.sqlite.sql". 1 = for this engine, 0 = for another. */
static int parse(const struct tt_db_plugin_file *file, const char *dialect,
                 struct tt_migration_plugin *out, struct tt_err *err)
{
    const char *slash = memrchr(file->path.data, '/', file->path.len);
    const char *start = slash ? slash + 1 : file->path.data;
    size_t len = (size_t)(file->path.data + file->path.len - start);
    struct tt_str name = tt_str_of(start, len - (sizeof(".sql") - 1));
    uint64_t version;

    int mine = cut_dialect(&name, dialect);
    ptrdiff_t underscore = tt_str_find(name, '_');
    if (underscore < 1 || (size_t)underscore + 1 >= name.len ||
        tt_str_to_u64(tt_str_of(name.data, (size_t)underscore), &version) != 0 || version < 1 ||
        version > VERSION_MAX)
        return refuse(file, err,
                      "a migration is named NUMBER_what.sql, such as 0001_notes.sql, or "
                      ".sqlite.sql and .postgres.sql for one engine");
    out->file = file;
    out->version = (int)version;
    out->name = tt_str_of(name.data + underscore + 1, name.len - (size_t)underscore - 1);
    out->chosen = mine > 0;
    tt_sha256_hex(file->sql, out->sha256);
    return mine != 0;
}

static int by_place(const void *a, const void *b)
{
    const struct tt_migration_plugin *left = a, *right = b;
    int order = strcmp(left->file->plugin.data, right->file->plugin.data);

    if (order == 0)
        order = left->version - right->version;
    return order ? order : (int)right->chosen - (int)left->chosen;
}

/* Of one number, the file for this engine. */
static int choose(struct tt_migration_plugins *all, struct tt_err *err)
{
    size_t kept = 0;

    for (size_t i = 0; i < all->count; i++) {
        const struct tt_migration_plugin *last = kept ? &all->items[kept - 1] : NULL;
        struct tt_migration_plugin *item = &all->items[i];
        bool same = last && tt_str_eq(last->file->plugin, item->file->plugin);
        if (same && last->version == item->version) {
            if (last->chosen == item->chosen)
                return refuse(item->file, err, "there are two files with this number");
            continue;
        }
        if (item->version != (same ? last->version + 1 : 1))
            return refuse(item->file, err, "there is no file with the number before this one");
        all->items[kept++] = *item;
    }
    all->count = kept;
    return 0;
}

int tt_migration_plugins_sort(struct tt_migration_plugins *all,
                              const struct tt_db_plugin_file *files, size_t count,
                              const char *dialect, struct tt_err *err)
{
    *all = (struct tt_migration_plugins){
        .items = tt_alloc((count + 1) * sizeof(struct tt_migration_plugin))};
    for (size_t i = 0; i < count; i++) {
        int mine = parse(&files[i], dialect, &all->items[all->count], err);
        if (mine < 0)
            return -1;
        all->count += (size_t)mine;
    }
    qsort(all->items, all->count, sizeof(struct tt_migration_plugin), by_place);
    return choose(all, err);
}

void tt_migration_plugins_free(struct tt_migration_plugins *all)
{
    free(all->items);
    *all = (struct tt_migration_plugins){0};
}
