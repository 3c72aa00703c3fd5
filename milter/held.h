/* restante-milter --held: what the hold queue has, asked while no daemon has it open. */
#ifndef RESTANTE_MILTER_HELD_H
#define RESTANTE_MILTER_HELD_H

/*
 * Opens the hold queue of that configuration, as the user whose it is, and prints one line: the
 * number of messages, a space, its folder. The exit code (enum front_exit); where it is not
 * FRONT_EXIT_OK, a line on stderr has the reason, and nobody knows what is held.
 */
int held_print(const char *config_path);

#endif
