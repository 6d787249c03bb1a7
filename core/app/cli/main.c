/* The program's entry. */
#include "app/cli/cli.h"
#include "base/secret.h"

int main(int argc, char **argv)
{
    tt_secret_setup();
    return tt_cli_main(argc, argv);
}
