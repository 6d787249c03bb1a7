/* The files that come with the program: scripts, personas and migrations. In the source folder they
 * are in the working folder; an installation has them in <prefix>/share/tidetalk. */
#pragma once
#include "base/conf.h"

#define TT_INSTALLED_PATH_BYTES 4200

/* Where the file or folder of a setting is: what the operator has set, as it is; of a default, the
 * installed one when the working folder has none. `out` may become the result. Thread: start. */
const char *tt_installed_find(const struct tt_conf_value *value,
                              char out[static TT_INSTALLED_PATH_BYTES]);

/* "<working folder> and <prefix>/share/tidetalk", for texts that say where was looked. */
void tt_installed_places(char *out, size_t size);
