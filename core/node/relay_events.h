/* A stream of Server-Sent Events on its way through: passed on in whole events, and which one was
 * the last. When the node that sends it is gone, what comes next can then continue behind that
 * event, with not a byte missing or doubled. Thread: the owner's. */
#pragma once
#include "base/buf.h"

struct tt_relay_events { /* {0}: nothing has come */
    struct tt_buf part;  /* the beginning of an event */
    char id[64];         /* of the last event that had one; "" = none */
    /* The number of the last event of OpenAI's Responses; -1 = none. Only with has_number. */
    int64_t number;
    bool has_number;
};

/* Appends to `out` the whole events that `bytes` completes. Fails: -1, no memory. */
int tt_relay_events_feed(struct tt_relay_events *events, struct tt_str bytes, struct tt_buf *out);
void tt_relay_events_free(struct tt_relay_events *events);
