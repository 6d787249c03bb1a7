/* Whether what belongs together is there together: the database, the uploaded files and the secret
 * file. Where one was lost, a start that makes it anew would hide the loss, and the sweep of the
 * file store would delete every upload. So it is refused, unless the operator accepts the loss
 * (serve --accept-loss); then the log says what is lost. */
#pragma once
#include "app/settings/settings.h"

struct tt_data_loss {
    bool database; /* its uploads are about to be deleted */
    bool seal_key; /* stored API keys cannot be read with the key in force */
};

/* Looks at all of it; before the first start there is nothing, which is no loss. Changes nothing.
 * Fails, unless settings->accept_loss: "database_lost", "seal_key_lost". Fails in any case when the
 * secret file, the database or the file store is there and cannot be read. Thread: main, before
 * anything is opened. */
int tt_data_check(const struct tt_settings *settings, struct tt_data_loss *loss,
                  struct tt_err *err);

/* The database alone, for who makes nothing else; nothing is accepted. */
int tt_data_check_database(const struct tt_settings *settings, struct tt_err *err);
