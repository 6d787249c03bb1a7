#include "script/sources.h"

#include <stdio.h>
#include <unistd.h>

#define NAME_BYTES 40

bool tt_plugin_is_name(struct tt_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!(name.data[i] >= 'a' && name.data[i] <= 'z') && name.data[i] != '_' &&
            !(i > 0 && name.data[i] >= '0' && name.data[i] <= '9'))
            return false;
    return name.len > 0 && name.len <= NAME_BYTES;
}

struct tt_str tt_plugin_of(struct tt_str path)
{
    size_t before = sizeof(TT_PLUGINS) - 1;

    if (!tt_str_starts(path, TT_STR(TT_PLUGINS)))
        return (struct tt_str){0};
    struct tt_str rest = tt_str_of(path.data + before, path.len - before);
    ptrdiff_t slash = tt_str_find(rest, '/');
    return slash > 0 ? tt_str_of(rest.data, (size_t)slash) : (struct tt_str){0};
}

void tt_script_sources_place(const struct tt_script_sources *sources, struct tt_str path, char *out,
                             size_t size)
{
    size_t before = sizeof(TT_PLUGINS) - 1;

    if (tt_str_eq(path, TT_STR("style.yaml"))) {
        snprintf(out, size, "%s", sources->personas);
        return;
    }
    if (tt_plugin_of(path).len && sources->plugins_dir) {
        snprintf(out, size, "%s/%.*s", sources->plugins_dir, (int)(path.len - before),
                 path.data + before);
        if (access(out, F_OK) == 0)
            return;
    }
    for (size_t i = 0; i < sources->root_count; i++) {
        snprintf(out, size, "%s%s%.*s", sources->roots[i], path.len ? "/" : "", TT_STR_ARG(path));
        if (access(out, F_OK) == 0)
            return;
    }
    if (tt_plugin_of(path).len && sources->plugins_dir)
        snprintf(out, size, "%s/%.*s", sources->plugins_dir, (int)(path.len - before),
                 path.data + before);
    else if (tt_str_ends(path, TT_STR(".yaml")) || tt_str_ends(path, TT_STR(".yml")))
        snprintf(out, size, "%.*s", TT_STR_ARG(path)); /* the settings file, as it was named */
    else
        snprintf(out, size, "%s%s%.*s", sources->roots[0], path.len ? "/" : "", TT_STR_ARG(path));
}
