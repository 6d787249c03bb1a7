/* The commands of the program. Exit codes: 0 done, 1 the command failed, 2 wrong usage or settings
 * (nothing was started). */
#pragma once

int tt_cli_main(int argc, char **argv);
