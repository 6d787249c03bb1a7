/* Compiling declared paths. All paths of a form become a tree: a node is an object from which
 * everything is picked in one pass, and only a "*" opens another node, for the items of its list.
 * Filters are values picked in that same pass. So reading an event costs one pass plus one for each
 * item of a list that some path goes through, however many paths there are. */
#include "base/mem.h"
#include "upstream/delta_internal.h"

#include <stdlib.h>

#define PATH_BYTES 256

static char *copy(struct tt_str s)
{
    return tt_strndup(s.data, s.len);
}

/* ---- life ---- */

static void node_destroy(struct tt_delta_node *node)
{
    for (size_t i = 0; i < node->path_count; i++)
        free(node->texts[i]);
    for (size_t i = 0; i < node->entry_count; i++) {
        struct tt_delta_entry *entry = &node->entries[i];
        for (size_t c = 0; c < entry->condition_count; c++)
            free(entry->conditions[c].literal);
        if (entry->items)
            node_destroy(entry->items);
        free(entry->items);
    }
}

struct tt_delta_spec *tt_delta_spec_new(enum tt_sse_kind kind, const char *done_data)
{
    struct tt_delta_spec *spec = TT_NEW(struct tt_delta_spec);
    atomic_init(&spec->refs, 1);
    spec->kind = kind;
    spec->done_data = done_data ? copy(tt_str_from(done_data)) : NULL;
    return spec;
}

struct tt_delta_spec *tt_delta_spec_ref(struct tt_delta_spec *spec)
{
    atomic_fetch_add_explicit(&spec->refs, 1, memory_order_relaxed);
    return spec;
}

void tt_delta_spec_unref(struct tt_delta_spec *spec)
{
    if (!spec || atomic_fetch_sub_explicit(&spec->refs, 1, memory_order_acq_rel) != 1)
        return;
    node_destroy(&spec->stream);
    node_destroy(&spec->whole);
    for (size_t i = 0; i < spec->word_count; i++) {
        free(spec->words[i].from);
        free(spec->words[i].to);
    }
    free(spec->done_data);
    free(spec->extra_key);
    for (size_t i = 0; i < spec->carried_count; i++)
        free(spec->carried[i]);
    free(spec);
}

void tt_delta_spec_think_tags(struct tt_delta_spec *spec)
{
    spec->think_tags = true;
}

enum tt_sse_kind tt_delta_spec_kind(const struct tt_delta_spec *spec)
{
    return spec->kind;
}

bool tt_delta_spec_tells_end(const struct tt_delta_spec *spec)
{
    return spec->finish_in_stream || spec->done_data;
}

void tt_delta_spec_word(struct tt_delta_spec *spec, enum tt_delta_role role, const char *from,
                        const char *to)
{
    if (spec->word_count == TT_DELTA_WORDS)
        return;
    size_t i = spec->word_count++;
    spec->words[i].role = role;
    spec->words[i].from = copy(tt_str_from(from));
    spec->words[i].to = copy(tt_str_from(to));
}

void tt_delta_spec_extra(struct tt_delta_spec *spec, const char *key)
{
    free(spec->extra_key);
    spec->extra_key = copy(tt_str_from(key));
}

/* ---- a path's text ---- */

struct step {
    struct tt_str name;
    struct tt_str filters[TT_DELTA_CONDITIONS];
    size_t filter_count;
};

/* Takes a step and the dot behind it. False: `step->name` says what is wrong. */
static bool take_step(struct tt_str *rest, struct step *step, const char **wrong)
{
    const char *p = rest->data, *end = p + rest->len;
    const char *start = p;
    *step = (struct step){0};
    while (p < end && *p != '.' && *p != '[')
        p++;
    step->name = tt_str_of(start, (size_t)(p - start));
    while (p < end && *p == '[') {
        const char *close = memchr(p, ']', (size_t)(end - p));
        if (!close || close == p + 1 || step->filter_count == TT_DELTA_CONDITIONS) {
            *wrong = close ? "a filter is empty, or there are too many" : "a filter has no end";
            return false;
        }
        step->filters[step->filter_count++] = tt_str_of(p + 1, (size_t)(close - p) - 1);
        p = close + 1;
    }
    if (p < end && *p != '.') {
        *wrong = "behind a filter comes a dot or the end";
        return false;
    }
    if (p < end && ++p == end) {
        *wrong = "it ends with a dot";
        return false;
    }
    *rest = tt_str_of(p, (size_t)(end - p));
    return true;
}

/* ---- the tree ---- */

struct compiling {
    struct tt_delta_node *node;
    char prefix[PATH_BYTES]; /* from the node on */
    struct tt_delta_entry entry;
    const char *wrong;
};

static bool extend(char *prefix, struct tt_str name)
{
    size_t len = strlen(prefix);
    if (len + name.len + 2 > PATH_BYTES)
        return false;
    if (len > 0)
        prefix[len++] = '.';
    memcpy(prefix + len, name.data, name.len);
    prefix[len + name.len] = '\0';
    return true;
}

/* The slot that holds what is at the path; -1 for the node's own value, -2 when it is no path. */
static int slot_of(struct tt_delta_node *node, const char *path)
{
    struct tt_err why = {0};
    if (!*path)
        return -1;
    for (size_t i = 0; i < node->path_count; i++)
        if (strcmp(node->texts[i], path) == 0)
            return (int)i;
    if (node->path_count == TT_DELTA_NODE_PATHS)
        return -2;
    size_t i = node->path_count;
    node->texts[i] = copy(tt_str_from(path));
    if (tt_json_path_parse(&node->paths[i], node->texts[i], &why) != 0) {
        free(node->texts[i]);
        return -2;
    }
    node->path_count++;
    tt_json_paths_link_last(node->paths, node->path_count);
    return (int)i;
}

static bool add_condition(struct compiling *c, struct tt_str filter, bool first)
{
    struct tt_delta_entry *entry = &c->entry;
    if (entry->condition_count == TT_DELTA_CONDITIONS) {
        c->wrong = "there are too many filters";
        return false;
    }
    struct tt_delta_condition *condition = &entry->conditions[entry->condition_count];
    ptrdiff_t equals = tt_str_find(filter, '=');
    struct tt_str key = equals < 0 ? filter : tt_str_of(filter.data, (size_t)equals);
    struct tt_str value =
        equals < 0 ? filter : tt_str_of(key.data + equals + 1, filter.len - (size_t)equals - 1);
    char path[PATH_BYTES];
    *condition = (struct tt_delta_condition){.op = equals < 0 ? TT_DELTA_SET : TT_DELTA_EQUALS};
    if (first && equals >= 0 && tt_str_eq(key, TT_STR("@event"))) {
        condition->op = TT_DELTA_EVENT;
    } else {
        if (equals < 0 && key.data[0] == '!') {
            condition->op = TT_DELTA_UNSET;
            key = tt_str_of(key.data + 1, key.len - 1);
        }
        memcpy(path, c->prefix, sizeof(path));
        condition->slot = key.len && extend(path, key) ? slot_of(c->node, path) : -2;
        if (condition->slot < 0) {
            c->wrong = "a filter's key is no path, or there are too many paths";
            return false;
        }
    }
    condition->literal = equals < 0 ? NULL : copy(value);
    entry->condition_count++;
    return true;
}

static bool same_conditions(const struct tt_delta_entry *a, const struct tt_delta_entry *b)
{
    if (a->condition_count != b->condition_count)
        return false;
    for (size_t i = 0; i < a->condition_count; i++) {
        const struct tt_delta_condition *x = &a->conditions[i], *y = &b->conditions[i];
        if (x->op != y->op || x->slot != y->slot ||
            (x->literal && strcmp(x->literal, y->literal) != 0))
            return false;
    }
    return true;
}

static void forget_conditions(struct tt_delta_entry *entry)
{
    for (size_t i = 0; i < entry->condition_count; i++)
        free(entry->conditions[i].literal);
    entry->condition_count = 0;
}

/* Puts the entry made so far into the node. */
static struct tt_delta_entry *put_entry(struct compiling *c)
{
    struct tt_delta_node *node = c->node;
    c->entry.slot = slot_of(node, c->prefix);
    if (c->entry.slot == -2 || node->entry_count == TT_DELTA_NODE_ENTRIES) {
        c->wrong = "there are too many paths, or steps in it";
        return NULL;
    }
    node->entries[node->entry_count] = c->entry;
    c->entry = (struct tt_delta_entry){0};
    return &node->entries[node->entry_count++];
}

/* Goes on in the items of the list at the prefix. */
static bool enter_items(struct compiling *c)
{
    int slot = slot_of(c->node, c->prefix);
    struct tt_delta_entry *list = NULL;
    for (size_t i = 0; i < c->node->entry_count && !list; i++) {
        struct tt_delta_entry *entry = &c->node->entries[i];
        if (entry->items && entry->slot == slot && same_conditions(entry, &c->entry))
            list = entry;
    }
    if (list) {
        forget_conditions(&c->entry);
    } else {
        list = put_entry(c);
        if (!list)
            return false;
        list->items = TT_NEW(struct tt_delta_node);
    }
    c->node = list->items;
    c->prefix[0] = '\0';
    return true;
}

static bool compile_step(struct compiling *c, const struct step *step, bool first)
{
    bool only_filters = first && step->name.len == 0 && step->filter_count > 0;
    if (tt_str_eq(step->name, TT_STR("*"))) {
        if (!enter_items(c))
            return false;
    } else if (!only_filters && (step->name.len == 0 || !extend(c->prefix, step->name))) {
        c->wrong = "a step is empty, or it is too long";
        return false;
    }
    for (size_t i = 0; i < step->filter_count; i++)
        if (!add_condition(c, step->filters[i], first))
            return false;
    return true;
}

static int add_path(struct tt_delta_spec *spec, bool whole, enum tt_delta_role role, int carried,
                    const char *path, struct tt_err *err)
{
    struct compiling c = {.node = whole ? &spec->whole : &spec->stream};
    struct tt_str rest = tt_str_from(path);
    bool first = true, good;
    do {
        struct step step;
        good = take_step(&rest, &step, &c.wrong) && compile_step(&c, &step, first);
        first = false;
    } while (good && rest.len > 0);
    if (good) {
        c.entry.role = role;
        c.entry.carried = carried;
        good = put_entry(&c) != NULL;
    }
    if (!good) {
        forget_conditions(&c.entry);
        return tt_err_set(err, 422, "invalid_provider", "path \"%s\": %s", path, c.wrong);
    }
    if (!whole && (role == TT_DELTA_FINISH || role == TT_DELTA_ENDED))
        spec->finish_in_stream = true;
    return 0;
}

int tt_delta_spec_path(struct tt_delta_spec *spec, bool whole, enum tt_delta_role role,
                       const char *path, struct tt_err *err)
{
    return add_path(spec, whole, role, 0, path, err);
}

int tt_delta_spec_carry(struct tt_delta_spec *spec, bool whole, const char *name, const char *path,
                        struct tt_err *err)
{
    size_t place = 0;

    while (place < spec->carried_count && strcmp(spec->carried[place], name) != 0)
        place++;
    if (place == TT_DELTA_CARRIED_MAX)
        return tt_err_set(err, 422, "invalid_provider", "\"%s\": too much is carried", name);
    if (place == spec->carried_count)
        spec->carried[spec->carried_count++] = copy(tt_str_from(name));
    return add_path(spec, whole, TT_DELTA_CARRIED, (int)place, path, err);
}
