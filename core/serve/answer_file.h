/* An answer that is a file: {file = {key | path | bytes, name, download}}. A client gets all of it,
 * the part that it asks for, or 304. Files of plugins and bytes are in memory; a stored file is
 * read piece by piece on the aux pool, at the pace of its client, so that three pieces are held. */
#pragma once
#include "http/selection.h"
#include "serve/dispatch.h"

struct tt_answer_file_source {
    struct tt_str key;   /* of a stored file; data == NULL: the bytes are here */
    struct tt_str bytes; /* as long as the exchange, or `owned` has them */
    struct tt_buf owned;
    struct tt_str etag; /* in its quotes; data == NULL: none */
    struct tt_str type;
};

/* Answers. Takes source->owned over. The headers of the file itself are set here, all others
 * before.
 */
void tt_answer_file(struct tt_request *request, struct tt_answer_file_source *source);

/* The client has left. */
void tt_answer_file_abandon(struct tt_request *request);
/* The exchange is over. */
void tt_answer_file_close(struct tt_request *request);
