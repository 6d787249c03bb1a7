/* The program's entry. */
#include "app/cli.h"
#include "base/secret.h"

int main(int argc, char **argv)
{
    tt_secret_setup();
    return tt_cli_main(argc, argv);
}
