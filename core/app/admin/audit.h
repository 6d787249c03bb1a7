/* The record of what was done over the admin listener: one row and one log line for each write,
 * including refused ones. The newest 10,000 are kept. */
#pragma once
#include "serve/dispatch.h"

struct tt_audit_entry {
    const char *who;
    struct tt_str action;  /* method and path, without query */
    int status;            /* of the answer */
    struct tt_str code;    /* of the error; "" = none */
    struct tt_str hash;    /* of the scripts, when it was about them; data == NULL otherwise */
    struct tt_str changed; /* the names of the files as JSON; data == NULL otherwise */
};

/* Records it. If the database refuses it, the log still has it. Thread: loop. */
void tt_audit_write(const struct tt_dispatcher *dispatcher, const struct tt_audit_entry *entry);

/* GET /admin/audit: the newest 100. */
void tt_audit_answer(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
