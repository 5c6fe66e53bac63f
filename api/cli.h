/* SPDX-License-Identifier: MIT */
/* The command line: every subcommand but `serve` and the trainer, which main.c runs. */
#ifndef FIRTH_API_CLI_H
#define FIRTH_API_CLI_H

/* Runs `firthd COMMAND …` as argv says and returns the exit status: 0 done, 1 failed,
 * 2 wrong usage (also for a command that is not known). `firthd serve --help` belongs
 * here, too: main.c calls it when --help is among the arguments. */
int cli_run(int argc, char **argv);

#endif
