/* The form of an error for the client that gets it: the API's own object, or those that clients
 * of OpenAI's and Anthropic's API expect. Data decides which: app.lua names the beginnings of paths
 * whose errors have another form, so that refusals before any script have it too. */
#pragma once
#include "base/buf.h"
#include "serve/dispatch.h"

/* Appends the body of a failed answer and adds its headers, unless a stream has begun. `code` and
 * `status` are sent to the client, unless the error table has others for paths with another form;
 * the text is the error's, or that of its code. Returns the status to send. Thread: worker. */
int tt_error_shape_put(struct tt_request *request, const struct tt_request_error *error,
                       struct tt_str code, int status, struct tt_buf *body);

/* The code of a path that no route has: where errors have another form, one whose text lists what
 * there is. */
const char *tt_error_shape_unknown_path(const struct tt_request *request);
