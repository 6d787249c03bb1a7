/* The token that a request carries, in one place for the refusal before the body and for scripts.
 * Only its form is checked here: whether it is good is lua/web/auth.lua's to say. */
#pragma once
#include "http/http.h"

/* A Bearer token; only when there is no Authorization header at all, the header "x-api-key" (as
 * clients of Anthropic's API send it), and without that the cookie "access_token". data is NULL
 * when there is none. `*from_cookie` may be NULL. Owns: the exchange. Thread: worker. */
struct tt_str tt_credentials_find(struct tt_http_exchange *exchange, bool *from_cookie);
