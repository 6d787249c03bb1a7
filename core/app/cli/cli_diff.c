/* diff: the files of an overlay beside those that they shadow. The scripts are read from the disk,
 * and the data folder knows what each file was written for. */
#include "app/cli/cli_internal.h"
#include "app/reload/overlay_bases.h"

#include <stdio.h>
#include <unistd.h>

/* The path of a shadowed file: in the second folder that has it. */
static void place_base(const struct tt_script_sources *sources, struct tt_str path, char *out,
                       size_t size)
{
    bool used = false;

    for (size_t i = 0; i < sources->root_count; i++) {
        snprintf(out, size, "%s/%.*s", sources->roots[i], TT_STR_ARG(path));
        if (access(out, F_OK) == 0 && used)
            return;
        used = used || access(out, F_OK) == 0;
    }
}

static bool print_shadow(const struct tt_settings *settings, const struct tt_bundle *bundle,
                         const struct tt_overlay_bases *bases,
                         const struct tt_bundle_shadow *shadow)
{
    char file[TT_SCRIPT_PATH_BYTES], base_file[TT_SCRIPT_PATH_BYTES], kept[TT_SCRIPT_PATH_BYTES];
    const char *hash = tt_bundle_find(bundle, shadow->path)->hash;
    const struct tt_overlay_base *base = tt_overlay_bases_find(bases, shadow->path);

    tt_script_sources_place(&settings->scripts, shadow->path, file, sizeof(file));
    place_base(&settings->scripts, shadow->path, base_file, sizeof(base_file));
    printf("%s shadows %s: ", file, base_file);
    if (strcmp(hash, shadow->hash) == 0) {
        printf("the same text\n");
    } else if (!base || !tt_str_eq(base->file_hash, tt_str_from(hash))) {
        printf("not loaded yet\n");
    } else if (tt_str_eq(base->base_hash, tt_str_from(shadow->hash))) {
        printf("unchanged since %.*s\n", TT_STR_ARG(base->since));
    } else {
        tt_overlay_bases_place(settings->data_dir, base, kept, sizeof(kept));
        printf("changed since %.*s, when it was %s\n", TT_STR_ARG(base->since), kept);
        return true;
    }
    return false;
}

int tt_cli_diff(int argc, char **argv)
{
    struct tt_settings settings;
    struct tt_overlay_bases bases;
    struct tt_err err = {0};
    bool changed = false;

    if (tt_cli_settings_and_files(&settings, &argc, argv) != 0)
        return TT_EXIT_USAGE;
    struct tt_bundle *bundle = argc ? NULL : tt_bundle_read(&settings.scripts, NULL, &err);
    tt_overlay_bases_read(settings.data_dir, &bases);
    for (size_t i = 0; bundle && i < bundle->shadow_count; i++)
        changed |= print_shadow(&settings, bundle, &bases, &bundle->shadows[i]);
    int code = argc      ? tt_cli_fail(TT_EXIT_USAGE, "diff: unexpected '%s'", argv[0])
               : !bundle ? tt_cli_fail(TT_EXIT_FAILED, "diff: %s", err.message)
               : changed ? TT_EXIT_FAILED
                         : TT_EXIT_OK;
    tt_overlay_bases_free(&bases);
    tt_bundle_free(bundle);
    tt_settings_free(&settings);
    return code;
}
