/* YAML files that people write (style.yaml, tidetalk.yaml) as a tree with line numbers, so that
 * every diagnostic can name file and line. A safe subset of libyaml: 64 KiB, depth 32, no aliases
 * (nested "[" is quadratic in libyaml: 200 KB take 30 s). All scalars are strings here; the code
 * that reads a value gives it its type. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

enum tt_yaml_type { TT_YAML_SCALAR, TT_YAML_LIST, TT_YAML_MAP };

struct tt_yaml_node {
    enum tt_yaml_type type;
    int line;                   /* 1-based */
    bool quoted;                /* scalar in quotes: never null, number or bool */
    struct tt_str key;          /* when the parent is a map */
    struct tt_str scalar;       /* NUL-terminated too */
    struct tt_yaml_node *first; /* children of a list or map, in file order */
    struct tt_yaml_node *next;  /* sibling */
};

/* Parses text; `name` is used in messages ("name:line: …"). NULL with code "invalid_yaml" on error;
 * also on a duplicate key. Owns: the arena. An empty document is an empty map. Thread: any. */
struct tt_yaml_node *tt_yaml_parse(struct tt_arena *arena, const char *name, struct tt_str text,
                                   struct tt_err *err);
struct tt_yaml_node *tt_yaml_child(const struct tt_yaml_node *map, const char *key);
