/* Origins of other sites' pages that may call the API (RFC 6454; WHATWG Fetch, 3.2). A listed
 * origin is written as browsers send it: scheme://host[:port], in lower case, without the default
 * port and without a path. The scheme may be an application's own (tauri://localhost). "*." before
 * the domain stands for exactly one label. Pure; any thread. */
#pragma once
#include "base/err.h"
#include "base/str.h"

/* Whether `listed` can be an item of the list. Fails: invalid_setting, with what to write instead.
 */
int tt_http_origin_check(struct tt_str listed, struct tt_err *err);

/* Whether the value of an Origin header is the listed origin. `listed` has passed the check. */
bool tt_http_origin_matches(struct tt_str listed, struct tt_str origin);
