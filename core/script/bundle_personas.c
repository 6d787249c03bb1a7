/* style.yaml: the personas of a bundle. Every mistake is reported with its line. */
#include "base/yaml.h"
#include "script/bundle.h"

#define FILE_NAME "style.yaml"

static int one_persona(struct tt_bundle *bundle, const struct tt_yaml_node *item,
                       struct tt_err *err)
{
    struct tt_persona *persona = &bundle->personas[bundle->persona_count];
    const struct tt_yaml_node *part;

    if (item->type != TT_YAML_MAP)
        return tt_err_set(err, 422, "script_error",
                          FILE_NAME ":%d: a persona is a map with 'name' and 'content'",
                          item->line);
    for (part = item->first; part; part = part->next) {
        struct tt_str *to = tt_str_eq(part->key, TT_STR("name"))      ? &persona->name
                            : tt_str_eq(part->key, TT_STR("content")) ? &persona->content
                                                                      : NULL;
        if (!to)
            return tt_err_set(err, 422, "script_error",
                              FILE_NAME ":%d: unknown key '%.*s' (allowed: name, content)",
                              part->line, TT_STR_ARG(part->key));
        if (part->type != TT_YAML_SCALAR || tt_str_trim(part->scalar).len == 0)
            return tt_err_set(err, 422, "script_error", FILE_NAME ":%d: '%.*s' must be a text",
                              part->line, TT_STR_ARG(part->key));
        *to = part->scalar;
    }
    if (!persona->name.data || !persona->content.data)
        return tt_err_set(err, 422, "script_error", FILE_NAME ":%d: the persona has no '%s'",
                          item->line, persona->name.data ? "content" : "name");
    for (size_t i = 0; i < bundle->persona_count; i++)
        if (tt_str_eq(bundle->personas[i].name, persona->name))
            return tt_err_set(err, 422, "script_error",
                              FILE_NAME ":%d: the persona '%.*s' is there twice", item->line,
                              TT_STR_ARG(persona->name));
    bundle->persona_count++;
    return 0;
}

int tt_bundle_read_personas(struct tt_bundle *bundle, struct tt_err *err)
{
    const struct tt_bundle_file *file = tt_bundle_find(bundle, TT_STR(FILE_NAME));
    struct tt_err why = {0};
    size_t count = 0;
    const struct tt_yaml_node *list, *item;

    bundle->persona_count = 0;
    if (!file)
        return tt_err_set(err, 422, "script_error", FILE_NAME ":1: the file is missing");
    struct tt_yaml_node *root = tt_yaml_parse(&bundle->arena, FILE_NAME, file->bytes, &why);
    if (!root)
        return tt_err_set(err, 422, "script_error", "%s", why.message);
    list = tt_yaml_child(root, "personas");
    if (!list || list->type != TT_YAML_LIST || !list->first)
        return tt_err_set(err, 422, "script_error",
                          FILE_NAME ":%d: needs a list 'personas' with at least one entry",
                          list ? list->line : 1);
    for (item = list->first; item; item = item->next)
        count++;
    bundle->personas = tt_arena_alloc(&bundle->arena, count * sizeof(struct tt_persona));
    for (item = list->first; item; item = item->next)
        if (one_persona(bundle, item, err) != 0)
            return -1;
    return 0;
}
