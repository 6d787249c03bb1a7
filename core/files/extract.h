/* The text of a stored file, for a model to read: .pdf through a sandboxed pdftotext, .docx through
 * libarchive and expat, everything else as a text file (base/decode.h). The extension alone
 * decides: bytes that do not fit it are an error, never a guess. Files come from strangers: every
 * step has its own limit, and a file that exceeds one is refused, not cut. */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct tt_extract_limits { /* 0 and NULL = the default */
    size_t text_max;       /* bytes of text that come out; 8 MiB */
    size_t inflate_max;    /* bytes of XML inside a .docx; 32 MiB */
    size_t memory_max;     /* address space of pdftotext; 512 MiB */
    unsigned cpu_seconds;  /* of pdftotext; 10 */
    unsigned wall_ms;      /* of pdftotext; 20,000 */
    const char *pdftotext; /* the program; "/usr/bin/pdftotext" */
};

/* Called now and then by a long extraction: true = nobody waits any more. */
struct tt_extract_stop {
    bool (*stopped)(void *arg);
    void *arg;
};

/* Appends the text (UTF-8, '\n' line ends as far as the file has them, no control characters except
 * '\t' and '\n' from a PDF or docx). `extension` with or without its dot, in any case. `fd` is a
 * regular file at its beginning; its position moves. limits and stop may be NULL. A file without
 * text (a scan) is not an error: nothing is appended. out->max applies in addition to text_max.
 * Fails: "extract_failed" (422), "extract_too_large" (413), "extract_timeout" (422),
 * "unsupported_encoding" (422, text files); out is unchanged then. Thread: any, blocks up to
 * wall_ms: use a separate aux pool. */
int tt_extract_text(int fd, struct tt_str extension, const struct tt_extract_limits *limits,
                    const struct tt_extract_stop *stop, struct tt_buf *out, struct tt_err *err);
