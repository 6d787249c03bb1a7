/* The chat page, served from the program's memory, without a script and without the database. Its
 * files are made in web/ and compiled in by cmake/page.cmake. Thread: the dispatcher's worker, for
 * all of it. */
#pragma once
#include "serve/core_route.h"

/* GET / */
void tt_page_answer(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);

/* GET /assets/:name: their names contain a hash of their content, so they never become outdated. */
void tt_page_answer_asset(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);

/* A path that no route has: answers with the page's own 404 if the client accepts HTML (not below
 * the API's paths); the public address without its last slash leads to the page. Returns the
 * status, 0 if it did not answer. */
int tt_page_answer_unknown(struct tt_dispatcher *dispatcher, struct tt_http_exchange *exchange);
