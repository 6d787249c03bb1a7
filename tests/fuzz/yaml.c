/* Files that people write: every node has a line of the file, and keys of one map are different. */
#include "base/yaml.h"

#include "fuzz.h"

static void walk(const struct tt_yaml_node *node, int lines)
{
    check(node->line >= 1 && node->line <= lines);
    if (node->type == TT_YAML_SCALAR)
        check(node->scalar.data && node->scalar.data[node->scalar.len] == '\0');
    for (const struct tt_yaml_node *child = node->first; child; child = child->next) {
        if (node->type == TT_YAML_MAP)
            for (const struct tt_yaml_node *other = child->next; other; other = other->next)
                check(!tt_str_eq(child->key, other->key));
        walk(child, lines);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tt_arena arena = {0};
    struct tt_err err = {0};
    int lines = 2;

    /* libyaml counts CR, LF, NEL, LS and PS as line ends: at most one per byte. */
    lines += (int)size;
    struct tt_yaml_node *root =
        tt_yaml_parse(&arena, "style.yaml", tt_str_of((const char *)data, size), &err);
    if (root)
        walk(root, lines);
    else
        check(strcmp(err.code, "invalid_yaml") == 0);
    tt_arena_destroy(&arena);
    return 0;
}
