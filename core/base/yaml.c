/* YAML by libyaml's event parser, built into our own nodes: libyaml's document tree knows aliases
 * and tags, and this is the place that refuses them. Depth is checked while events arrive, so the
 * parser never sees more of a hostile file than one line beyond the limit. Assigns no types: "yes"
 * is the text "yes" until somebody reads it as a bool. */
#include "base/yaml.h"

#include <yaml.h>

#define SIZE_LIMIT  65536
#define DEPTH_LIMIT 32

struct frame {
    struct tt_yaml_node *node;
    struct tt_yaml_node *last; /* its last child */
    struct tt_str key;         /* data NULL: a map waits for a key */
    int key_line;
};

struct builder {
    struct tt_arena *arena;
    const char *name;
    struct tt_err *err;
    struct frame frames[DEPTH_LIMIT];
    int depth;
    int documents;
    struct tt_yaml_node *root;
};

static int refuse(struct builder *b, int line, const char *what)
{
    return tt_err_set(b->err, 400, "invalid_yaml", "%s:%d: %s", b->name, line, what);
}

static int take_key(struct builder *b, struct frame *frame, const struct tt_yaml_node *key)
{
    if (key->type != TT_YAML_SCALAR)
        return refuse(b, key->line, "a key must be a plain text");
    for (struct tt_yaml_node *n = frame->node->first; n; n = n->next)
        if (tt_str_eq(n->key, key->scalar))
            return tt_err_set(b->err, 400, "invalid_yaml",
                              "%s:%d: key \"%s\" was already given on line %d", b->name, key->line,
                              key->scalar.data, n->line);
    frame->key = key->scalar;
    frame->key_line = key->line;
    return 0;
}

/* Puts a node where the document is now: the root, a key, a key's value or a list's item. */
static int place(struct builder *b, struct tt_yaml_node *node)
{
    if (b->depth == 0) {
        b->root = node;
        return 0;
    }
    struct frame *frame = &b->frames[b->depth - 1];
    if (frame->node->type == TT_YAML_MAP) {
        if (!frame->key.data)
            return take_key(b, frame, node);
        node->key = frame->key;
        node->line = frame->key_line;
        frame->key = (struct tt_str){NULL, 0};
    }
    if (frame->last)
        frame->last->next = node;
    else
        frame->node->first = node;
    frame->last = node;
    return 0;
}

static int add_scalar(struct builder *b, const yaml_event_t *event, int line)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    if (event->data.scalar.anchor || event->data.scalar.tag)
        return refuse(b, line, "anchors and tags are not allowed");
    if (len > 0 && memchr(text, '\0', len))
        return refuse(b, line, "a NUL in a text");
    struct tt_yaml_node *node = tt_arena_alloc(b->arena, sizeof(*node));
    node->type = TT_YAML_SCALAR;
    node->line = line;
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->scalar = tt_arena_str(b->arena, tt_str_of(text, len));
    return place(b, node);
}

static int open_container(struct builder *b, enum tt_yaml_type type, bool decorated, int line)
{
    if (decorated)
        return refuse(b, line, "anchors and tags are not allowed");
    if (b->depth == DEPTH_LIMIT)
        return refuse(b, line, "nested too deeply");
    struct tt_yaml_node *node = tt_arena_alloc(b->arena, sizeof(*node));
    node->type = type;
    node->line = line;
    if (place(b, node) < 0)
        return -1;
    b->frames[b->depth++] = (struct frame){.node = node};
    return 0;
}

static int take_event(struct builder *b, const yaml_event_t *event)
{
    int line = (int)event->start_mark.line + 1;
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        return b->documents++ ? refuse(b, line, "only one document is allowed") : 0;
    case YAML_ALIAS_EVENT:
        return refuse(b, line, "aliases are not allowed");
    case YAML_SCALAR_EVENT:
        return add_scalar(b, event, line);
    case YAML_SEQUENCE_START_EVENT:
        return open_container(b, TT_YAML_LIST,
                              event->data.sequence_start.anchor || event->data.sequence_start.tag,
                              line);
    case YAML_MAPPING_START_EVENT:
        return open_container(b, TT_YAML_MAP,
                              event->data.mapping_start.anchor || event->data.mapping_start.tag,
                              line);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        b->depth--;
        return 0;
    default:
        return 0;
    }
}

static int report_syntax(struct builder *b, const yaml_parser_t *parser)
{
    /* Reader errors (bad UTF-8) have an offset and no mark. */
    int line = (int)parser->problem_mark.line + 1;
    if (parser->error == YAML_READER_ERROR)
        line = (int)parser->mark.line + 1;
    return refuse(b, line, parser->problem ? parser->problem : "cannot be read");
}

static int parse_events(struct builder *b, yaml_parser_t *parser)
{
    for (bool done = false; !done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return report_syntax(b, parser);
        done = event.type == YAML_STREAM_END_EVENT;
        int rc = take_event(b, &event);
        yaml_event_delete(&event);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static bool is_nothing(const struct tt_yaml_node *node)
{
    return !node || (node->type == TT_YAML_SCALAR && !node->quoted && node->scalar.len == 0);
}

struct tt_yaml_node *tt_yaml_parse(struct tt_arena *arena, const char *name, struct tt_str text,
                                   struct tt_err *err)
{
    struct builder b = {.arena = arena, .name = name, .err = err};
    yaml_parser_t parser;
    if (text.len > SIZE_LIMIT) {
        tt_err_set(err, 400, "invalid_yaml", "%s: larger than 64 KiB", name);
        return NULL;
    }
    /* Some editors put a byte order mark; the fixed encoding below would make it a character. */
    if (tt_str_starts(text, TT_STR("\xEF\xBB\xBF")))
        text = tt_str_of(text.data + 3, text.len - 3);
    if (!yaml_parser_initialize(&parser)) {
        tt_err_set(err, 503, "no_memory", "%s: no memory", name);
        return NULL;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.data ? text.data : ""),
                                 text.len);
    int rc = parse_events(&b, &parser);
    yaml_parser_delete(&parser);
    if (rc < 0)
        return NULL;
    if (is_nothing(b.root)) {
        b.root = tt_arena_alloc(arena, sizeof(*b.root));
        b.root->type = TT_YAML_MAP;
        b.root->line = 1;
    }
    return b.root;
}

struct tt_yaml_node *tt_yaml_child(const struct tt_yaml_node *map, const char *key)
{
    if (!map || map->type != TT_YAML_MAP)
        return NULL;
    for (struct tt_yaml_node *n = map->first; n; n = n->next)
        if (tt_str_eq(n->key, tt_str_from(key)))
            return n;
    return NULL;
}
