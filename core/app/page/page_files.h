/* The page's files in the program. cmake/page.cmake makes the table from web/dist when the build is
 * configured. */
#pragma once
#include "http/negotiate.h"

#include <stddef.h>

struct tt_page_file {
    const char *name; /* "index.html", "assets/page-0F1E2D3C.js" */
    const char *hash; /* of its bytes, in hexadecimal digits */
    struct {
        const char *begin, *end;
    } bytes[TT_HTTP_ENCODINGS];
};

extern const struct tt_page_file tt_page_files[]; /* sorted by name */
extern const size_t tt_page_file_count;
