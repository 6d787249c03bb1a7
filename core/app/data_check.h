/* Whether the database, the uploaded files and the secret file are all there. If one was lost, a
 * start that creates it again would hide the loss, and the sweep of the file store would delete
 * every upload. So the start is refused, unless the operator accepts the loss (serve
 * --accept-loss); then the log says what is lost. */
#pragma once
#include "app/settings/settings.h"

struct tt_data_loss {
    bool database; /* its uploads are about to be deleted */
    bool seal_key; /* stored API keys cannot be read with the key in force */
};

/* Checks everything; before the first start nothing exists, which is no loss. Changes nothing.
 * Fails, unless settings->accept_loss: "database_lost", "seal_key_lost". Fails in any case if the
 * secret file, the database or the file store exists and cannot be read. Thread: main, before
 * anything is opened. */
int tt_data_check(const struct tt_settings *settings, struct tt_data_loss *loss,
                  struct tt_err *err);

/* Checks only the database, for callers that create nothing else; no loss is accepted. */
int tt_data_check_database(const struct tt_settings *settings, struct tt_err *err);
