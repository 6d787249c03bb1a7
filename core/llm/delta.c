/* Reading one event of a provider's stream by declared paths. One strict pass over the JSON picks
 * all of them (base/json); nothing is allocated once the buffers have grown. What is missing, null
 * or of another type is simply not there: upstreams send `choices: []`, `content: null` and fields
 * nobody asked for. An upstream's own error text is never carried on: it may hold what the request
 * held. Does not know any provider. */
#include "llm/delta.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

enum role { CONTENT, REASONING, FINISH, INPUT, OUTPUT, ERROR, ROLES };

struct path_set {
    size_t count;
    struct tt_json_path paths[ROLES];
    enum role roles[ROLES];
    char *texts[ROLES]; /* the paths are slices of these */
};

struct tt_delta_spec {
    atomic_uint refs;
    enum tt_sse_kind kind;
    struct path_set stream, whole;
    struct tt_str done_data; /* data NULL = none */
};

/* ---- the specification ---- */

static void path_set_destroy(struct path_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->texts[i]);
}

static int path_set_create(struct path_set *set, const struct tt_delta_paths *from,
                           struct tt_err *err)
{
    const char *const texts[ROLES] = {from->content,      from->reasoning,     from->finish_reason,
                                      from->input_tokens, from->output_tokens, from->error};
    for (int role = 0; role < ROLES; role++) {
        struct tt_err why = {0};
        if (!texts[role])
            continue;
        size_t i = set->count++;
        set->texts[i] = tt_strndup(texts[role], strlen(texts[role]));
        set->roles[i] = (enum role)role;
        if (tt_json_path_parse(&set->paths[i], set->texts[i], &why) != 0)
            return tt_err_set(err, 422, "invalid_provider", "%s", why.message);
    }
    return 0;
}

struct tt_delta_spec *tt_delta_spec_new(enum tt_sse_kind kind, const struct tt_delta_paths *stream,
                                        const struct tt_delta_paths *whole, const char *done_data,
                                        struct tt_err *err)
{
    struct tt_delta_spec *spec = TT_NEW(struct tt_delta_spec);
    atomic_init(&spec->refs, 1);
    spec->kind = kind;
    if (done_data)
        spec->done_data = tt_str_of(tt_strndup(done_data, strlen(done_data)), strlen(done_data));
    if (path_set_create(&spec->stream, stream, err) != 0 ||
        path_set_create(&spec->whole, whole, err) != 0) {
        tt_delta_spec_unref(spec);
        return NULL;
    }
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
    path_set_destroy(&spec->stream);
    path_set_destroy(&spec->whole);
    free((char *)spec->done_data.data);
    free(spec);
}

enum tt_sse_kind tt_delta_spec_kind(const struct tt_delta_spec *spec)
{
    return spec->kind;
}

bool tt_delta_spec_tells_end(const struct tt_delta_spec *spec)
{
    for (size_t i = 0; i < spec->stream.count; i++)
        if (spec->stream.roles[i] == FINISH)
            return true;
    return spec->done_data.data != NULL;
}

/* ---- reading ---- */

void tt_delta_create(struct tt_delta_reader *reader, struct tt_delta_spec *spec, bool whole)
{
    *reader = (struct tt_delta_reader){.spec = tt_delta_spec_ref(spec), .whole = whole};
    reader->usage = (struct tt_usage){-1, -1};
    reader->finish_reason.max = 256; /* an upstream's word, kept for the whole stream */
}

void tt_delta_destroy(struct tt_delta_reader *reader)
{
    tt_buf_free(&reader->content);
    tt_buf_free(&reader->reasoning);
    tt_buf_free(&reader->finish_reason);
    tt_delta_spec_unref(reader->spec);
    reader->spec = NULL;
}

static void read_text(struct tt_delta_reader *reader, enum role role,
                      const struct tt_json_value *value)
{
    if (value->type != TT_JSON_STRING)
        return;
    tt_json_unescape(value->raw, reader->whole ? NULL : &reader->high[role],
                     role == CONTENT ? &reader->content : &reader->reasoning);
}

static void read_finish(struct tt_delta_reader *reader, const struct tt_json_value *value)
{
    if (value->type != TT_JSON_STRING || value->raw.len <= 2)
        return;
    tt_buf_clear(&reader->finish_reason);
    if (value->raw.len > reader->finish_reason.max ||
        tt_json_unescape(value->raw, NULL, &reader->finish_reason) != 0)
        tt_buf_append_z(&reader->finish_reason, "other");
}

static void read_count(int64_t *count, const struct tt_json_value *value)
{
    int64_t n;
    if (value->type == TT_JSON_NUMBER && tt_json_to_i64(value, &n) == 0 && n >= 0)
        *count = n;
}

static int read_values(struct tt_delta_reader *reader, const struct path_set *set,
                       const struct tt_json_value *values, struct tt_err *err)
{
    int result = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct tt_json_value *value = &values[i];
        switch (set->roles[i]) {
        case CONTENT:
        case REASONING:
            read_text(reader, set->roles[i], value);
            break;
        case FINISH:
            read_finish(reader, value);
            break;
        case INPUT:
            read_count(&reader->usage.input_tokens, value);
            break;
        case OUTPUT:
            read_count(&reader->usage.output_tokens, value);
            break;
        case ERROR:
            if (value->type != TT_JSON_NONE && value->type != TT_JSON_NULL)
                result = tt_err_set(err, 502, "upstream_error",
                                    "the upstream reported an error in its answer");
            break;
        case ROLES:
            break;
        }
    }
    return result;
}

int tt_delta_read(struct tt_delta_reader *reader, struct tt_str data, struct tt_err *err)
{
    const struct tt_delta_spec *spec = reader->spec;
    const struct path_set *set = reader->whole ? &spec->whole : &spec->stream;
    struct tt_json_value values[ROLES];
    struct tt_err why = {0};
    tt_buf_clear(&reader->content);
    tt_buf_clear(&reader->reasoning);
    data = tt_str_trim(data);
    if (reader->done || data.len == 0)
        return 0;
    if (!reader->whole && spec->done_data.data && tt_str_eq(data, spec->done_data)) {
        reader->done = true;
        return 0;
    }
    if (tt_json_select(data, set->paths, set->count, values, &why) != 0)
        return tt_err_set(err, 502, "upstream_bad_response", "the upstream sent no JSON: %s",
                          why.message);
    return read_values(reader, set, values, err);
}
