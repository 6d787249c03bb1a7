/* What a request to an upstream has in common with all others to the same configuration: address,
 * headers, deadlines, how its answer is read, and the text of its body around the messages. Made
 * once, and shared by counting references, so that another request or another try copies none of
 * it. Its headers hold keys: they are wiped with it. It never changes. Thread: any. */
#pragma once
#include "upstream/client.h"
#include "upstream/delta.h"

#include <stdatomic.h>

struct tt_call_template_spec {
    const char *url;
    const struct tt_str *headers; /* as of tt_call_headers_new */
    size_t header_count;
    uint64_t key;                   /* distinguishes keys: see breaker.h */
    int64_t configuration, version; /* whose it is; 0 = nobody's that is stored */
    uint64_t model;                 /* distinguishes models of one configuration */
    unsigned refuses;               /* see adapt.h: by the provider's script */
    unsigned learnt;                /* and stored with the configuration */
    struct tt_deadlines deadlines;
    struct tt_delta_spec *spec;  /* a reference is taken */
    struct tt_str before, after; /* of the body, around what differs */
};

struct tt_call_template {
    _Atomic size_t refs;
    char *url;
    struct tt_str upstream;          /* "https://host:443" */
    struct tt_call_headers *headers; /* NULL: they cannot be sent, see `refused` */
    struct tt_err refused;
    uint64_t key;
    int64_t configuration, version;
    uint64_t adapt_key; /* of what is learnt about it: the same for all keys of a configuration */
    unsigned refuses, learnt;
    struct tt_deadlines deadlines;
    struct tt_delta_spec *spec;
    struct tt_str before, after;
};

/* Owns: the caller has a reference. Fails: never; what is wrong is told when it is used. */
struct tt_call_template *tt_call_template_new(const struct tt_call_template_spec *spec);
struct tt_call_template *tt_call_template_ref(struct tt_call_template *template);
void tt_call_template_unref(struct tt_call_template *template); /* NULL is fine */
