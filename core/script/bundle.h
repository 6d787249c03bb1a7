/* All script files of a generation as bytes, read once: lua/ and style.yaml. A generation is built
 * from these bytes and never looks at the disk again, so it cannot be half old and half new. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct tt_bundle_file {
    struct tt_str path; /* "routes/chat.lua", relative to lua/; "style.yaml" */
    struct tt_str bytes;
};

struct tt_persona {
    struct tt_str name, content;
};

struct tt_bundle {
    struct tt_arena arena;
    struct tt_bundle_file *files; /* sorted by path */
    size_t file_count;
    struct tt_persona *personas; /* from style.yaml, in file order, at least one */
    size_t persona_count;
    char hash[65]; /* sha256 over (path, bytes) of all files, hex */
};

/* Reads and validates style.yaml; Lua files are compiled later by the vm. types/ is left out (never
 * loaded). Fails: NULL with "script_error", message "file:line: …". Owns: the caller. */
struct tt_bundle *tt_bundle_read(const char *lua_dir, const char *personas_file,
                                 struct tt_err *err);
void tt_bundle_free(struct tt_bundle *bundle);

/* The file, or NULL. */
const struct tt_bundle_file *tt_bundle_find(const struct tt_bundle *bundle, struct tt_str path);
