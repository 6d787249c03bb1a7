#include "app/cli/folders.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

int tt_cli_make_folder(const char *command, char *path, size_t size)
{
    const char *temporary = getenv("TMPDIR");

    snprintf(path, size, "%s/tidetalk-%s-XXXXXX", temporary && *temporary ? temporary : "/tmp",
             command);
    return mkdtemp(path) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status, (void)type, (void)at;
    return remove(path);
}

int tt_cli_remove_folder(const char *path)
{
    return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}
