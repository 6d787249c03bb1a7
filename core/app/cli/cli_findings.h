/* What a check finds, as compilers report it: file:line:column: severity: message (code), or as
 * JSON.
 */
#pragma once
#include "base/json.h"

struct tt_cli_finding {
    struct tt_str file; /* as an editor opens it; "TIDETALK_LISTEN" or "--listen" with line 0 */
    int line, column;
    const char *severity; /* "error" or "warning" */
    const char *code;
    struct tt_str message;
};

/* Zero-initialise it; `json` may be set. */
struct tt_cli_findings {
    bool json;
    struct tt_buf out;
    struct tt_json_writer w;
    int errors, warnings;
};

void tt_cli_findings_add(struct tt_cli_findings *findings, const struct tt_cli_finding *finding);

/* Prints and frees them. Returns the exit code: 1 if there is an error among them. */
int tt_cli_findings_print(struct tt_cli_findings *findings);
