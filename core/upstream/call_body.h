/* The body of a request, shared by counting references: another try copies nothing. It never
 * changes. Thread: one loop's. */
#pragma once
#include "base/buf.h"

struct tt_call_body {
    size_t refs;
    struct tt_buf text;
};

/* Takes the text over; the buffer is empty then. Owns: the caller has a reference. */
struct tt_call_body *tt_call_body_new(struct tt_buf *text);
struct tt_call_body *tt_call_body_ref(struct tt_call_body *body); /* NULL is fine */
void tt_call_body_unref(struct tt_call_body *body);               /* likewise */

static inline struct tt_str tt_call_body_text(const struct tt_call_body *body)
{
    return body ? tt_buf_str(&body->text) : TT_STR("");
}
