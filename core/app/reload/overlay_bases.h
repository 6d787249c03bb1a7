/* What the files of an overlay were written for. A file of an earlier folder of scripts shadows one
 * of a later folder, its base. When it serves for the first time, the base of that day is kept in
 * the data folder: later one can see whether the base has changed since, and what to carry over.
 * The list is "overlay_bases/list", one line per file: its hash, the base's hash, the time, the
 * path; the bases are beside it. */
#pragma once
#include "base/arena.h"
#include "script/bundle.h"

struct tt_overlay_base {
    struct tt_str path;
    struct tt_str file_hash; /* of the file that was used */
    struct tt_str base_hash;
    struct tt_str since; /* RFC 3339 */
};

struct tt_overlay_bases {
    struct tt_arena arena;
    struct tt_overlay_base *items;
    size_t count;
};

/* Reads the list; there may be none. Owns: the caller, tt_overlay_bases_free. Thread: any, as all
 * here, one at a time. */
void tt_overlay_bases_read(const char *data_dir, struct tt_overlay_bases *out);
void tt_overlay_bases_free(struct tt_overlay_bases *bases);
/* What is kept for a path, or NULL. */
const struct tt_overlay_base *tt_overlay_bases_find(const struct tt_overlay_bases *bases,
                                                    struct tt_str path);
/* The path of a kept base. */
void tt_overlay_bases_place(const char *data_dir, const struct tt_overlay_base *base, char *out,
                            size_t size);

/* Keeps the bases of a bundle that serves now: what is known of an unchanged file stays. */
int tt_overlay_bases_keep(const char *data_dir, const struct tt_bundle *bundle, struct tt_err *err);
