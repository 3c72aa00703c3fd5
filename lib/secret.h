/* Passwords in files: the first line is the password, and nobody else may read the file. */
#ifndef RESTANTE_LIB_SECRET_H
#define RESTANTE_LIB_SECRET_H

#define SECRET_MAX 1024 /* bytes, more than a password has */

/*
 * The password: free it with mem_free_secret. NULL with *error_r, "password_file PATH: what is
 * wrong; what to do" (valid until the thread's next call), where there is none or others can read
 * it: modes 0600 and 0640 are taken.
 */
char *secret_read(const char *path, const char **error_r);

#endif
