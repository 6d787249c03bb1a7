/* The type of a file by its name, and the name under which a client may store it. */
#pragma once
#include "base/buf.h"

/* The value of Content-Type; application/octet-stream when the extension is unknown. Thread: any.
 */
struct tt_str tt_http_type_of(struct tt_str file_name);

/* Whether a browser may show a file of this type that somebody has uploaded: it runs no script in
 * the server's origin. Thread: any. */
bool tt_http_type_is_inert(struct tt_str type);

/* Appends the value of Content-Disposition (RFC 6266): with `download` the file is to be stored.
 * Any UTF-8 name is encoded so that nothing of it ends the parameter. Thread: any. */
void tt_http_put_disposition(struct tt_buf *out, bool download, struct tt_str file_name);
