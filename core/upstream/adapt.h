/* Requests in the form that a service takes: what it refuses is learnt from its words once, left
 * out or named otherwise, and remembered for the configuration: here until the process ends, and
 * with the configuration itself (chat/learnt_store.h) until it changes. */
#pragma once
#include "upstream/told_error.h"

enum tt_adapt {
    TT_ADAPT_STREAM_OPTIONS = 1,        /* without stream_options */
    TT_ADAPT_MAX_COMPLETION_TOKENS = 2, /* max_tokens becomes max_completion_tokens */
    TT_ADAPT_MAX_TOKENS = 4,            /* the other way round */
    TT_ADAPT_TEMPERATURE = 8,           /* without temperature */
    TT_ADAPT_TOP_P = 16,                /* without top_p */
    TT_ADAPT_SYSTEM_ROLE = 32,          /* system messages become those of a user */
    TT_ADAPT_REQUESTS = 63,             /* all of these */
    TT_ADAPT_THINKING = 64              /* answers begin inside the reasoning: see delta_think.c */
};

/* The changes that would help against a refusal; 0: none that is known. Thread: any. */
unsigned tt_adapt_wanted(const struct tt_told_error *told, struct tt_str body);

/* Makes the changes in a request's JSON. Thread: the owner's. */
void tt_adapt_apply(unsigned changes, struct tt_buf *body);

/* Changes by the names of what is refused: "stream_options", "max_tokens", "max_completion_tokens",
 * "temperature", "top_p", "system", with commas between them. Reading ignores other names. Thread:
 * any. */
#define TT_ADAPT_NAMES_SIZE 96
unsigned tt_adapt_read(struct tt_str names);
void tt_adapt_write(unsigned changes, char out[TT_ADAPT_NAMES_SIZE]);

/* What was learnt for whom: `key` stands for a service and a configuration. Some may be forgotten.
 * Thread: any. */
unsigned tt_adapt_known(uint64_t key);
void tt_adapt_learn(uint64_t key, unsigned changes);
void tt_adapt_forget(uint64_t key, unsigned changes);
