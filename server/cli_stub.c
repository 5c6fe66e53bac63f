/* SPDX-License-Identifier: MIT */
/* In place of api/cli.c until it is here: says so. */
#include <stdio.h>

#include "api/cli.h"

int cli_run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fprintf(stderr, "usage: firthd serve [--store FILE] [--listen ADDRESS:PORT]"
                    " [--config FILE]\n");
    return 2;
}
