/* Shared by the files of the delta reader: delta_spec.c (paths to trees), delta.c (reading events),
 * delta_shape.c (events like the one before), delta_calls.c (tool calls), delta_repair.c,
 * delta_think.c, delta_image.c, delta_code.c and delta_carried.c. Nothing outside core/upstream
 * includes this. */
#pragma once
#include "upstream/delta.h"

#include <stdatomic.h>

#define TT_DELTA_NODE_PATHS   31 /* as many as tt_json_select takes */
#define TT_DELTA_NODE_ENTRIES 40
#define TT_DELTA_CONDITIONS   4
#define TT_DELTA_WORDS        64
#define TT_DELTA_CALLS_MAX    128

/* A filter: tests a value that the same pass over the JSON has picked. */
struct tt_delta_condition {
    enum { TT_DELTA_EQUALS, TT_DELTA_SET, TT_DELTA_UNSET, TT_DELTA_EVENT } op;
    int slot;
    char *literal; /* of EQUALS and EVENT */
};

/* The end of a path, or a list whose items have their own node. */
struct tt_delta_entry {
    enum tt_delta_role role; /* when `items` is NULL */
    int slot;                /* of the node's values, -1 = the node's own value */
    int carried;             /* of TT_DELTA_CARRIED: the place of its name */
    size_t condition_count;
    struct tt_delta_condition conditions[TT_DELTA_CONDITIONS];
    struct tt_delta_node *items;
};

/* The values picked from one object in one pass. */
struct tt_delta_node {
    size_t path_count, entry_count;
    struct tt_json_path paths[TT_DELTA_NODE_PATHS];
    char *texts[TT_DELTA_NODE_PATHS]; /* the paths are slices of these */
    struct tt_delta_entry entries[TT_DELTA_NODE_ENTRIES];
};

struct tt_delta_spec {
    atomic_uint refs;
    enum tt_sse_kind kind;
    struct tt_delta_node stream, whole;
    bool finish_in_stream, think_tags;
    char *done_data, *extra_key;         /* NULL = none */
    char *carried[TT_DELTA_CARRIED_MAX]; /* names */
    size_t carried_count;
    struct {
        enum tt_delta_role role;
        char *from, *to;
    } words[TT_DELTA_WORDS];
    size_t word_count;
};

/* The fields of one tool call in one object; type NONE means absent. */
struct tt_delta_call_fields {
    struct tt_json_value field[TT_DELTA_CALL_EXTRA - TT_DELTA_CALL_INDEX + 1];
    bool any;
};

/* A call that has begun; its place in the reader's list is its index for our readers. */
struct tt_delta_call {
    int64_t upstream_index; /* -1 = it has none */
    uint64_t id_hash;
    uint32_t high; /* of its arguments */
    bool has_arguments;
    bool is_object;     /* they begin as one */
    uint64_t said_hash; /* of its arguments so far */
    size_t said_len;
};

/* Appends what the fields mean to reader->tool_calls; `listed`: they are an item of a list of
 * calls. -1 with "upstream_bad_response" when there are too many calls. */
int tt_delta_call_read(struct tt_delta_reader *reader, const struct tt_delta_call_fields *fields,
                       bool listed, struct tt_err *err);
/* Begins and ends the event's entry. */
void tt_delta_calls_begin(struct tt_delta_reader *reader);
void tt_delta_calls_end(struct tt_delta_reader *reader);
/* Arguments for calls that have none: clients parse them as JSON. */
void tt_delta_calls_complete(struct tt_delta_reader *reader);

/* Writes a document that the strict reader refused into `out` as it was meant (delta_repair.c). */
void tt_delta_repair(struct tt_str data, struct tt_buf *out);

/* Moves what is reasoning of the content that just came (delta_think.c). */
void tt_delta_think(struct tt_delta_think *think, struct tt_buf *content, struct tt_buf *reasoning);

/* Keeps a value for the client; whether it is more than a word, so that the next event may have
 * another one (delta_carried.c). */
bool tt_delta_carry(struct tt_delta_reader *reader, int place, const struct tt_json_value *value);
void tt_delta_carried_destroy(struct tt_delta_reader *reader);

/* Names an image in the text that shows where it was, and adds it to image_items (delta_image.c).
 */
void tt_delta_image(struct tt_delta_reader *reader, const struct tt_json_value *value);

/* Puts code, or what it printed, into the text (delta_code.c). */
void tt_delta_code(const struct tt_json_value *value, struct tt_buf *content);

/* Whether the event is the kept one but for its text; *text is that JSON string. */
bool tt_delta_shape_match(const struct tt_delta_shape *shape, struct tt_str name,
                          struct tt_str data, struct tt_str *text);
/* Keeps an event whose only text is `text`, a slice of `data`. */
void tt_delta_shape_keep(struct tt_delta_shape *shape, enum tt_delta_role role, struct tt_str name,
                         struct tt_str data, struct tt_str text);
void tt_delta_shape_destroy(struct tt_delta_shape *shape);
