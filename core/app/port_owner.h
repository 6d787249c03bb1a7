/* Which process listens on a TCP port of this machine. */
#pragma once
#include "base/str.h"

/* "process 123 (name)", or "another process" if it cannot be seen (another user's). */
void tt_port_owner(uint16_t port, char *out, size_t size);
