/* Replies whose server ended while they ran: a message that is still "streaming" becomes
 * "interrupted" with the text of its chunks, up to the first hole in them. At a start that is every
 * one; if the database is shared, those of nodes that do not live, at any time. */
#pragma once
#include "db/db.h"

struct tt_chat_repair;

struct tt_chat_repair_spec {
    struct tt_db *db;
    struct tt_loop *loop; /* attached */
    bool shared;
    /* One session only, and its turn is free afterwards; data == NULL: all of them. Copied. */
    int64_t user_id;
    struct tt_str session_id;
    /* Asked before each write, unless it is NULL: what was read may have waited until the database
     * was back, and then other nodes only look dead. False: the message is left as it is. */
    bool (*may_take_over)(void *arg);
    /* Called once, never within the start: how many were repaired, or why it broke off. */
    void (*on_done)(int count, const struct tt_err *err, void *arg);
    void *arg;
};

/* Owns: itself; gone when on_done returns. Thread: the loop's. */
struct tt_chat_repair *tt_chat_repair_start(const struct tt_chat_repair_spec *spec);
/* on_done is not called any more; what is being written is written. Thread: the loop's. */
void tt_chat_repair_cancel(struct tt_chat_repair *repair);

/* At start, before anything is served: all of them. Returns how many, -1 on error. Waits, turning
 * the loop (attached). Thread: the loop's. */
int tt_chat_repair_all(struct tt_db *db, struct tt_loop *loop, bool shared, struct tt_err *err);
