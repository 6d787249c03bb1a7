/* Compressed bodies: gzip and deflate, told apart by their first bytes. Labels are wrong often
 * enough: a proxy unpacks and leaves the label, another packs and forgets it, "deflate" means two
 * formats, and a body that was packed once has its label twice. Thread: any, one at a time. */
#pragma once
#include "base/err.h"
#include "base/str.h"

struct tt_unpack;

/* What the head says; all zero: nothing. */
struct tt_unpack_label {
    unsigned layers; /* how often it was packed */
    bool deflate;    /* one of them may be bare: it has no first bytes to know it by */
    bool other;      /* and in a way that is not known here */
};

/* Adds the value of a Content-Encoding line. */
void tt_unpack_label_add(struct tt_unpack_label *label, struct tt_str value);

/* For a body that begins with this byte; NULL: it is not packed, or in a way that is not known
 * here. `any`: packed bytes are no answer, so they are unpacked whatever the label says. Owns: the
 * caller frees. */
struct tt_unpack *tt_unpack_new(struct tt_unpack_label label, bool any, char first);
void tt_unpack_free(struct tt_unpack *unpack); /* NULL is fine */

/* Gives what the bytes are unpacked, in pieces; bytes that are not packed pass. `on_bytes` returns
 * -1 to end it. Fails: -1, and tt_unpack_error says why, if it was not on_bytes. */
int tt_unpack_feed(struct tt_unpack *unpack, struct tt_str bytes,
                   int (*on_bytes)(void *arg, struct tt_str bytes), void *arg);

/* No byte comes any more: a body too short to be known is what it is. As tt_unpack_feed. */
int tt_unpack_end(struct tt_unpack *unpack, int (*on_bytes)(void *arg, struct tt_str bytes),
                  void *arg);

/* "upstream_bad_response" (broken, or it grows without measure) or "no_memory"; status 0: none. */
const struct tt_err *tt_unpack_error(const struct tt_unpack *unpack);
