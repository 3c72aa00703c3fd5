/* Exit codes of restante-dirsync, as in sysexits.h where there is one for it. */
#ifndef RESTANTE_DIRSYNC_EXITS_H
#define RESTANTE_DIRSYNC_EXITS_H

enum dirsync_exit {
	DIRSYNC_EXIT_OK = 0,
	DIRSYNC_EXIT_FAILED = 1,  /* --once: a source, a target or the directory failed */
	DIRSYNC_EXIT_STOPPED = 4, /* --once: a run waits for restante sync approve */
	DIRSYNC_EXIT_USAGE = 64,
	DIRSYNC_EXIT_UNAVAILABLE = 69, /* a folder, socket or file; another daemon runs here */
	DIRSYNC_EXIT_SOFTWARE = 70,
	DIRSYNC_EXIT_BUSY = 75, /* --once: somebody else is at it */
	DIRSYNC_EXIT_CONFIG = 78,
};

#endif
