/* check --data. */
#include "app/cli/cli_findings.h"
#include "app/cli/cli_internal.h"
#include "app/data_audit.h"
#include "base/log.h"

#include <stdio.h>

static void add(void *arg, const struct tt_data_finding *finding)
{
    tt_cli_findings_add(arg,
                        &(struct tt_cli_finding){.file = finding->at,
                                                 .severity = finding->error ? "error" : "warning",
                                                 .code = finding->code,
                                                 .message = finding->what});
}

void tt_cli_check_data(struct tt_cli_findings *findings, const struct tt_settings *settings)
{
    struct tt_data_audited audited;

    tt_log_setup(TT_LOG_ERROR, TT_LOG_TEXT);
    tt_data_audit(settings, &audited, add, findings);
    if (!findings->json && findings->errors == 0)
        printf("ok: %zu user%s, %zu stored API key%s, %zu file%s\n", audited.users,
               tt_plural((int64_t)audited.users), audited.api_keys,
               tt_plural((int64_t)audited.api_keys), audited.files,
               tt_plural((int64_t)audited.files));
}
