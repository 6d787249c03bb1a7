/* What a request says that one node passes on to another: who asks, and from where, signed with a
 * key that only the nodes have. It is bound to this request (method, target, body) and to the node
 * that it is for, and valid for some seconds, so it is worth little to whoever reads it on the
 * way. It is no secret: the network between the nodes must be private, since bodies and answers
 * are not encrypted. Thread: any. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#define TT_RELAY_HEADER   "X-TideTalk-Relay"
#define TT_RELAY_VALID_MS 30000 /* also how far the nodes' clocks may differ */
#define TT_RELAY_DIGEST   65    /* SHA-256 in hex digits, and a NUL */

struct tt_relay_token {
    int64_t at_ms; /* the wall clock of the node that signs */
    int64_t to;    /* the node that is asked */
    struct tt_str method, target;
    struct tt_str digest; /* of the body, as of tt_relay_digest */
    struct tt_str request_id, remote;
    bool chinese;       /* the language of texts for people */
    bool secure;        /* the client speaks TLS */
    struct tt_str user; /* JSON: who asks, as scripts see them */
};

void tt_relay_digest(struct tt_str body, char out[TT_RELAY_DIGEST]);

/* Appends the header's value. Fails: -1, a field has a line break or is empty. */
int tt_relay_token_sign(struct tt_str key, const struct tt_relay_token *token, struct tt_buf *out);

/* Reads a header's value into `token`, whose texts live in `text`, if its signature is right and
 * not old. Fails: -1 with "forbidden" (403) and why. */
int tt_relay_token_verify(struct tt_str key, struct tt_str value, int64_t now_ms,
                          struct tt_buf *text, struct tt_relay_token *token, struct tt_err *err);
