/* All script files of a generation as bytes, read once: the folders of scripts, the plugins and
 * style.yaml. A generation is built from these bytes and never looks at the disk again, so it
 * cannot be half old and half new. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "script/plugin_values.h"
#include "script/sources.h"

/* The folder of a plugin whose files are served: all of them are part of the bundle. */
#define TT_BUNDLE_STATIC "static/"

struct tt_bundle_file {
    struct tt_str path; /* "chat/chat_routes.lua", see sources.h; "style.yaml" */
    struct tt_str bytes;
    char hash[65];                /* sha256 of the bytes, hex */
    struct tt_compiled *compiled; /* NULL until a state was made from it, see compiled.h */
};

/* A file that is not used because an earlier folder of scripts has one at the same path. It is not
 * part of the bundle's hash, and bundles from stored bytes have none. */
struct tt_bundle_shadow {
    struct tt_str path;
    struct tt_str bytes; /* of the file that is not used */
    char hash[65];
};

struct tt_persona {
    struct tt_str name, content;
};

struct tt_bundle {
    struct tt_arena arena;
    struct tt_bundle_file *files; /* sorted by path */
    size_t file_count, capacity;
    struct tt_persona *personas; /* from style.yaml, in file order, at least one once read */
    size_t persona_count;
    struct tt_str *plugins; /* names of the folders of plugins, sorted; once sealed */
    size_t plugin_count;
    struct tt_bundle_shadow *shadows; /* in no order; of several at one path, the first folder's */
    size_t shadow_count;
    struct tt_plugin_values values; /* settings of plugins; neither hashed nor in the history */
    char hash[65];                  /* sha256 over (path, hash) of all files, hex */
};

/* Reads the files as they are now. Neither Lua nor style.yaml is looked into (generation.c does
 * that); types/ and tests/ are left out (never loaded), as are plugins with a file ".disabled".
 * `before` as in tt_bundle_seal. Fails: NULL with "script_error". Owns: the caller. */
struct tt_bundle *tt_bundle_read(const struct tt_script_sources *sources,
                                 const struct tt_bundle *before, struct tt_err *err);

/* The same for files that may be written right now: files are read again if one was changed during
 * the read or in the last 50 ms, so that half-saved files are not used. Also fails when that
 * continues for 3 s. Thread: builder or main, blocking. */
struct tt_bundle *tt_bundle_snapshot(const struct tt_script_sources *sources,
                                     const struct tt_bundle *before, struct tt_err *err);
void tt_bundle_free(struct tt_bundle *bundle);

/* A bundle from stored bytes: new, add each, seal (sorts, computes the hashes; -1 with
 * "script_error" when there is no app.lua, or a plugin has the name of a folder of scripts). What
 * is known of a file with the same path and bytes is taken over from `before`, NULL = nothing. */
struct tt_bundle *tt_bundle_new(void);
void tt_bundle_add(struct tt_bundle *bundle, struct tt_str path, struct tt_str bytes);
int tt_bundle_seal(struct tt_bundle *bundle, const struct tt_bundle *before, struct tt_err *err);

/* Sorts the files and computes the hash over them, of which only paths and hashes count. */
void tt_bundle_hash(struct tt_bundle *bundle);

/* Reads the settings of plugins, which are always those of the disk. -1 with "script_error". */
int tt_bundle_read_values(struct tt_bundle *bundle, const struct tt_script_sources *sources,
                          struct tt_err *err);

/* Fills in the personas from style.yaml. -1 with "script_error", message "style.yaml:line: …". */
int tt_bundle_read_personas(struct tt_bundle *bundle, struct tt_err *err);

/* The file, or NULL. */
const struct tt_bundle_file *tt_bundle_find(const struct tt_bundle *bundle, struct tt_str path);
