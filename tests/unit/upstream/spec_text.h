/* A delta specification from one line of text: words "name=path" with blanks between them. Names
 * are those of a provider's paths; `finish_word=theirs:ours`, `error_word=theirs:ours`, `done=` and
 * `extra_key=` are the rest of it. */
#pragma once
#include "base/mem.h"
#include "upstream/delta.h"

#include <stdio.h>
#include <stdlib.h>

static inline int spec_word(struct tt_delta_spec *spec, bool whole, struct tt_str name,
                            const char *value, struct tt_err *err)
{
    static const char *const roles[TT_DELTA_ROLES] = {
        [TT_DELTA_CONTENT] = "content",
        [TT_DELTA_REASONING] = "reasoning",
        [TT_DELTA_FINISH] = "finish",
        [TT_DELTA_INPUT] = "input",
        [TT_DELTA_OUTPUT] = "output",
        [TT_DELTA_INPUT_ELSE] = "input_else",
        [TT_DELTA_OUTPUT_ELSE] = "output_else",
        [TT_DELTA_CACHED] = "cached",
        [TT_DELTA_THOUGHT] = "thought",
        [TT_DELTA_CARRIED] = "carried",
        [TT_DELTA_SIGNATURE] = "signature",
        [TT_DELTA_REDACTED] = "redacted",
        [TT_DELTA_IMAGE] = "image",
        [TT_DELTA_CODE] = "code",
        [TT_DELTA_ERROR] = "error",
        [TT_DELTA_ERROR_TYPE] = "error_type",
        [TT_DELTA_ENDED] = "ended",
        [TT_DELTA_CALL_INDEX] = "index",
        [TT_DELTA_CALL_ID] = "id",
        [TT_DELTA_CALL_NAME] = "call",
        [TT_DELTA_CALL_ARGUMENTS] = "arguments",
        [TT_DELTA_CALL_EXTRA] = "extra",
    };
    bool finish = tt_str_eq(name, TT_STR("finish_word"));
    if (tt_str_eq(name, TT_STR("extra_key"))) {
        tt_delta_spec_extra(spec, value);
        return 0;
    }
    if (finish || tt_str_eq(name, TT_STR("error_word"))) {
        char from[64];
        const char *colon = strchr(value, ':');
        snprintf(from, sizeof(from), "%.*s", (int)(colon - value), value);
        tt_delta_spec_word(spec, finish ? TT_DELTA_FINISH : TT_DELTA_ERROR_TYPE, from, colon + 1);
        return 0;
    }
    for (int role = 0; role < TT_DELTA_ROLES; role++)
        if (tt_str_eq(name, tt_str_from(roles[role])))
            return tt_delta_spec_path(spec, whole, (enum tt_delta_role)role, value, err);
    return tt_err_set(err, 0, "no_such_word", "%.*s", TT_STR_ARG(name));
}

/* Adds the line's words to a form of the specification. */
static inline int spec_add(struct tt_delta_spec *spec, bool whole, struct tt_str line,
                           struct tt_err *err)
{
    struct tt_str word;
    int result = 0;
    while (result == 0 && tt_str_split(&line, ' ', &word)) {
        ptrdiff_t equals = tt_str_find(word, '=');
        if (equals < 0 || tt_str_starts(word, TT_STR("done=")))
            continue;
        char *value = tt_strndup(word.data + equals + 1, word.len - (size_t)equals - 1);
        result = spec_word(spec, whole, tt_str_of(word.data, (size_t)equals), value, err);
        free(value); /* the specification has its own */
    }
    return result;
}

/* The line for both forms; NULL when a word is refused. */
static inline struct tt_delta_spec *spec_text(enum tt_sse_kind kind, struct tt_str line,
                                              struct tt_err *err)
{
    struct tt_str rest = line, word;
    char *done = NULL;
    while (tt_str_split(&rest, ' ', &word))
        if (tt_str_starts(word, TT_STR("done=")))
            done = tt_strndup(word.data + 5, word.len - 5);
    struct tt_delta_spec *spec = tt_delta_spec_new(kind, done);
    free(done);
    if (spec_add(spec, false, line, err) == 0 && spec_add(spec, true, line, err) == 0)
        return spec;
    tt_delta_spec_unref(spec);
    return NULL;
}
