/* Folders that commands make and remove. */
#pragma once
#include <stddef.h>

/* Makes a folder for `command` in TMPDIR or /tmp and writes its path; removed by
 * tt_cli_remove_folder. Fails: -1 with errno; the path says where. */
int tt_cli_make_folder(const char *command, char *path, size_t size);
/* With all that is in it; of a link, the link. Fails: -1 with errno. */
int tt_cli_remove_folder(const char *path);
