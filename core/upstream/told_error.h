/* What a provider says when something is wrong: the JSON of a refusal, or an event in the middle of
 * a good answer. Providers agree neither on the place nor on the words; here they become one of our
 * codes, whose text says what to do, and a short detail for the owner of the configuration. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

#define TT_TOLD_DETAIL_SIZE 320

struct tt_told_error {
    bool found;      /* something was said */
    char words[256]; /* names and numbers, each between blanks, in small letters */
    char param[48];  /* the parameter that it is about */
    char text[640];  /* for people, as it came but for its length */
};

/* Reads what a document says, in all forms that are known; other text than JSON is for people.
 * Nothing is `found` in an answer that is none of an error. Thread: any. */
void tt_told_read(struct tt_told_error *told, struct tt_str body);
/* The one at `*told`, made when it is not there yet: few answers need one. Owns: free() it. */
struct tt_told_error *tt_told_at(struct tt_told_error **told);

/* Our code for it, "" when it says nothing that is known. `http_status` 0 or 2xx: it came inside an
 * answer. Thread: any. */
const char *tt_told_code(const struct tt_told_error *told, int http_status);

/* Fills in the error for an answer with a status that is not 2xx. Thread: any. */
void tt_told_status_error(const struct tt_told_error *told, int status, struct tt_err *error);

/* Puts the text into `detail` as it may be shown: no control characters, short, without what looks
 * like a key and without the words of `headers`, which hold ours. Thread: any. */
void tt_told_detail(const struct tt_told_error *told, const struct tt_str *headers,
                    size_t header_count, char detail[TT_TOLD_DETAIL_SIZE]);
