/* Another key in the secret file: all stored API keys are sealed anew. The new key is written
 * beside the secret file first (<secret_file>.next); then one transaction seals all keys anew; then
 * the new file takes the name of the old one. Where this breaks off, either all keys are sealed
 * with the one or all with the other, and both files are there: the next start, or another
 * rotation, goes on. */
#pragma once
#include "app/settings/settings.h"

struct tt_rotation {
    size_t sealed;   /* API keys that were sealed anew */
    size_t left;     /* that no key opens: a loss that was accepted */
    char seal_id[9]; /* of the key in force now */
};

/* No server may be running: the caller holds the folder's lock. Fails: "database_lost",
 * "seal_key_lost" (API keys that neither key opens), "secret_file_unreadable" (its folder cannot be
 * written, as of a mounted secret), and what databases fail with; everything is as it was then,
 * or can be gone on with. Thread: main, blocking. */
int tt_rotation_run(const struct tt_settings *settings, struct tt_rotation *rotation,
                    struct tt_err *err);

/* At a start, before the secret file is read: ends a rotation whose transaction was committed.
 * Otherwise a file that is left is only reported. Thread: main. */
int tt_rotation_finish(const struct tt_settings *settings, struct tt_err *err);
