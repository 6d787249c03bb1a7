/* The kinds of extraction behind tt_extract_text. Limits are complete here (no zeros); `out` is
 * empty and capped, and a failure may leave it half-filled. Private to core/files. */
#pragma once
#include "files/extract.h"

int tt_extract_pdf(int fd, const struct tt_extract_limits *limits,
                   const struct tt_extract_stop *stop, struct tt_buf *out, struct tt_err *err);
int tt_extract_docx(int fd, const struct tt_extract_limits *limits, struct tt_buf *out,
                    struct tt_err *err);

int tt_extract_failed(struct tt_err *err, const char *why);    /* -1 */
int tt_extract_too_large(struct tt_err *err, const char *why); /* -1 */

/* Turns a freshly forked child into the program: `in` and `out` as its stdin and stdout, no other
 * descriptor, no environment, limits, no new privileges, no system call that reaches beyond
 * reading. Only async-signal-safe calls, as the parent has threads. Ends the child with 126 (no
 * sandbox) or 127 (no program) when it fails. */
void tt_extract_sandbox_exec(const char *const argv[], int in, int out,
                             const struct tt_extract_limits *limits) __attribute__((noreturn));
